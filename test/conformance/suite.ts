// The official conformance suite, both published lines: what it says of a subject, check by check.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { conformanceModules, conformanceSuites } from '../lanes/conformance.ts'
import { inherited } from '../lanes/environment.ts'

/** The programs that the makers of the SDK test with it. */
const subjects = fileURLToPath(new URL('../../../shared/data/mcp-conformance/', import.meta.url))

export const hasSubjects = existsSync(subjects)
if (!hasSubjects)
  process.stderr.write('skipped: conformance (its test programs are not beside this checkout)\n')

/** Where the sources are that observed subjects import. */
export const sources = fileURLToPath(new URL('../../services/interceptor/src/', import.meta.url))

export function readSubject(file: string): string {
  return readFileSync(join(subjects, file), 'utf8')
}

/** A folder in which subjects find their packages. */
export async function openFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'muniment-conformance-'))
  symlinkSync(conformanceModules(), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  return folder
}

/** A part of the suite that is asked at once. */
export interface Part {
  readonly version: string
  readonly args: readonly string[]
  /** How to ask for one scenario of it. */
  readonly single: readonly string[]
}

const current = '0.2.0-alpha.12'

/** What is asked alone is forced: the suite skips scenarios of extensions where a revision is named. */
function requirements(revision: string): Part {
  const args = ['--requirements', revision]
  return { version: current, args, single: ['--spec-version', revision, '--force'] }
}

/** Everything that the older line has, each set of requirements of the newer one, and the suite of that one that has what they leave out. */
export function partsWith(rest: string): readonly Part[] {
  return [
    { version: '0.1.16', args: ['--suite', 'all'], single: [] },
    requirements('2025-11-25'),
    requirements('2026-07-28'),
    { version: current, args: ['--suite', rest], single: [] },
  ]
}

/** Of each scenario, each check with its outcome, without what only tells what was sent when. */
export type Said = ReadonlyMap<string, readonly string[]>

function checksIn(folder: string): Said {
  const files = globSync('**/checks.json', { cwd: folder })
  return new Map(
    files.map(file => {
      const scenario = dirname(file).replace(/^server-|-\d{4}-\d\d-\d\dT[\d-]+Z$/gu, '')
      const checks: readonly { id: string; status: string }[] = JSON.parse(
        readFileSync(join(folder, file), 'utf8'),
      )
      const told = checks.filter(({ status }) => status !== 'INFO')
      return [scenario, told.map(({ id, status }) => `${id} ${status}`).toSorted()]
    }),
  )
}

/** What the suite says, without its ports and times. */
export async function ask(version: string, args: readonly string[], env = {}): Promise<Said> {
  const folder = await mkdtemp(join(tmpdir(), 'muniment-conformance-said-'))
  const suite = conformanceSuites()[version] ?? ''
  const child = spawn(process.execPath, [suite, ...args, '--output-dir', folder], {
    stdio: 'ignore',
    cwd: folder,
    env: inherited(env),
  })
  await once(child, 'exit')
  const said = checksIn(folder)
  await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  return said
}

/** How many checks were passed. */
export function passedIn(said: Said): number {
  return Array.from(said.values())
    .flat()
    .filter(check => check.endsWith(' SUCCESS')).length
}

/** The scenarios of which not the same is said of all. */
function unlikeIn(runs: readonly Said[]): readonly string[] {
  const names = new Set(runs.flatMap(said => Array.from(said.keys())))
  return Array.from(names).filter(name => new Set(runs.map(said => said.get(name)?.join())).size > 1)
}

/** Asks the suite about one subject. */
export type Asking = (args: readonly string[]) => Promise<Said>

/** What is said of each subject, where `runs` are not the same of all and stay so when each is asked alone: on a busy machine the suite takes a subject that is slow for one that fails. */
export async function unlikeAlone(
  { single }: Part,
  asked: readonly Asking[],
  runs: readonly Said[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const unlike = new Map<string, readonly string[]>()
  for (const name of unlikeIn(runs)) {
    const alone: Said[] = []
    for (const one of asked) alone.push(await one(['--scenario', name, ...single]))
    // Where nothing is said, nothing is shown to be the same.
    if (unlikeIn(alone).length > 0 || alone.some(said => said.size === 0))
      unlike.set(
        name,
        alone.map(said => Array.from(said.values()).join()),
      )
  }
  return unlike
}
