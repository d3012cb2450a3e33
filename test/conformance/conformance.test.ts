import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newIngestKey } from '../bench/ingest-key.ts'
import { conformanceModules, conformanceSuites } from '../lanes/conformance.ts'
import { inherited } from '../lanes/environment.ts'
import { describeLanes } from '../lanes/lanes.ts'
import { freePort, isListening } from '../lanes/ports.ts'

// The official suite against its own test server: direct, observed in process and at its edge, and through the proxy, with a guard and without.
// And against its own test client: as it is, and observed in process.

const subjects = fileURLToPath(new URL('../../../shared/data/mcp-conformance/', import.meta.url))
const guards = fileURLToPath(new URL('guards.ts', import.meta.url))
const sources = fileURLToPath(new URL('../../services/interceptor/src/', import.meta.url))
const muniment = fileURLToPath(import.meta.resolve('../../services/cli/bin/muniment.mjs'))
const suiteTimeoutMs = 400_000

const ingestKey = newIngestKey()
const started: ChildProcess[] = []
let folder = ''

async function start(args: readonly string[], port: number, env: Record<string, string>): Promise<URL> {
  const child = spawn(process.execPath, args, { stdio: 'ignore', env: inherited(env), cwd: folder })
  started.push(child)
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`${args[0]} ended with ${child.exitCode}`)
    await sleep(50)
  }
  return new URL(`http://localhost:${port}/mcp`)
}

interface Observing {
  readonly imports?: readonly string[]
  /** What is given to whatever observes messages, and to the edge. */
  readonly messages?: string
  readonly edge?: string
}

/** The server of the suite with one line more where it is made, and one where its application begins. */
function observed(source: string, { imports = [], messages = '', edge = '' }: Observing = {}): string {
  const [attached, app] = [`attach(mcpServer${messages})`, `app.use(observeExpress(${edge}));\n`]
  const changed = source
    .replace('    return mcpServer;\n', `    return ${attached};\n`)
    .replace('app.use(express.json());', `${app}app.use(express.json());`)
  expect(changed.length).toBe(source.length + attached.length - 'mcpServer'.length + app.length)
  const all = [
    `import { attach } from '${sources}index.ts';`,
    `import { observeExpress } from '${sources}http.ts';`,
    ...imports,
  ]
  return changed.replace('import ', `${all.join('\n')}\nimport `)
}

/** Lines that make the guards of a program. */
function guardLines(policies: string): readonly string[] {
  return [
    `import { atDoor, beforeServer } from '${guards}';`,
    `const behind = { guard: beforeServer('${policies}') };`,
  ]
}

function guarded(source: string, policies: string): string {
  const imports = guardLines(policies)
  return observed(source, { imports, messages: ', behind', edge: '{ guard: atDoor }' })
}

/** The proxy with all parts, which the command has only for who shows a credential. */
function guardedProxy(upstream: URL, port: number, policies: string): string {
  return [
    `import { startProxy } from '${sources}proxy.ts';`,
    ...guardLines(policies),
    `const routes = [{ upstream: new URL('${upstream.href}') }];`,
    `await startProxy({ routes, port: ${port}, guard: [...atDoor, ...behind.guard] });`,
  ].join('\n')
}

async function serve(name: string, source: (port: number) => string): Promise<URL> {
  const file = join(folder, `${name}.ts`)
  const port = await freePort()
  writeFileSync(file, source(port))
  return await start([file], port, { PORT: String(port), MUNIMENT_HOME: join(folder, name) })
}

async function proxied(upstream: URL): Promise<URL> {
  const port = await freePort()
  const args = ['proxy', '--upstream', upstream.href, '--listen', `127.0.0.1:${port}`]
  return await start([muniment, ...args], port, { MUNIMENT_HOME: join(folder, 'proxy') })
}

/** What the suite says of each of its scenarios, without its ports and times. */
async function results(suite: string, args: readonly string[]): Promise<string[]> {
  const env = inherited({ MUNIMENT_HOME: join(folder, 'client'), MUNIMENT_INGEST_KEY: ingestKey })
  const child = spawn(process.execPath, [suite, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    cwd: folder,
    env,
  })
  started.push(child)
  const [printed] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return printed.split('\n').filter(line => /^(?:[✓✗]|Passed)/u.test(line))
}

function nameOf(line: string): string {
  return /^[✓✗] ([^:]+)/u.exec(line)?.[1] ?? ''
}

interface Compared {
  /** What is said of each server, where it is not the same of all. */
  readonly unlike: ReadonlyMap<string, readonly string[]>
  readonly passed: number
}

/** Where all at once differ, each is asked once more, alone: on a busy machine the suite takes a server that is slow for one that fails. */
async function compared(version: string, more: readonly string[], urls: readonly URL[]): Promise<Compared> {
  const suite = conformanceSuites()[version] ?? ''
  const run = async ({ href }: URL, args: readonly string[]): Promise<string[]> =>
    await results(suite, ['server', '--url', href, ...args])
  const runs = await Promise.all(urls.map(url => run(url, more)))
  const [first = []] = runs
  const differing = first
    .map(nameOf)
    .filter(name => new Set(runs.map(lines => lines.find(line => nameOf(line) === name))).size > 1)
  const unlike = new Map<string, readonly string[]>()
  for (const name of differing) {
    const said: string[] = []
    for (const url of urls) said.push((await run(url, ['--scenario', name])).join())
    if (new Set(said).size > 1) unlike.set(name, said)
  }
  return { unlike, passed: first.filter(line => line.startsWith('✓')).length }
}

/** The client of the suite, with names of files as Node wants them and its own class for `Client`. */
function clientSource(file: string, library: string): string {
  return readFileSync(join(subjects, file), 'utf8')
    .replaceAll(/from '(\.{1,2}\/[^']+)'/gu, "from '$1.ts'")
    .replace("from '@modelcontextprotocol/client'", `from '${library}'`)
}

const observedClient = `
import { Client as Plain } from '@modelcontextprotocol/client';
import { attach } from '${sources}index.ts';
export * from '@modelcontextprotocol/client';
export class Client extends Plain {
  constructor(...args) { super(...args); attach(this); }
}
`

const permitAll = '@id("all") permit (principal, action, resource);\n'
const forbidImage =
  '@id("no-images") forbid (principal, action, resource == Mcp::Tool::"test_image_content");\n'

/** The command of each client: as it is, and observed. */
function writeClients(): string[] {
  const helpers = ['conformanceOAuthProvider.ts', 'logger.ts', 'withOAuthRetry.ts']
  mkdirSync(join(folder, 'helpers'))
  for (const helper of helpers)
    writeFileSync(
      join(folder, 'helpers', helper),
      clientSource(`helpers/${helper}`, '@modelcontextprotocol/client'),
    )
  writeFileSync(join(folder, 'observed-library.js'), observedClient)
  return ['@modelcontextprotocol/client', './observed-library.js'].map((library, at) => {
    const file = join(folder, `client${at}.ts`)
    writeFileSync(file, clientSource('everythingClient.ts', library))
    return `${process.execPath} --experimental-transform-types --no-warnings ${file}`
  })
}

function clientOf(command: string): string[] {
  return ['client', '--command', command, '--suite', 'core']
}

const hasSubject = existsSync(subjects)
if (!hasSubject)
  process.stderr.write('skipped: conformance (its test programs are not beside this checkout)\n')

describeLanes(['conformance'], 'the official conformance suite', () => {
  let direct: URL
  let same: readonly URL[] = []
  let refusing: readonly URL[] = []

  beforeAll(async () => {
    if (!hasSubject) return
    folder = await mkdtemp(join(tmpdir(), 'muniment-conformance-'))
    symlinkSync(conformanceModules(), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    const source = readFileSync(join(subjects, 'everythingServer.ts'), 'utf8')
    direct = await serve('direct', () => source)
    const both = async (name: string, policy: string): Promise<URL[]> => {
      const policies = join(folder, `${name}.cedar`)
      writeFileSync(policies, policy)
      return await Promise.all([
        serve(`${name}-attach`, () => guarded(source, policies)),
        serve(`${name}-proxy`, port => guardedProxy(direct, port, policies)),
      ])
    }
    const observedServer = await serve('observed', () => observed(source))
    same = [observedServer, await proxied(direct), ...(await both('permissive', permitAll))]
    refusing = await both('refusing', `${permitAll}${forbidImage}`)
  })
  afterAll(async () => {
    for (const child of started) child.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })

  describe.skipIf(!hasSubject).each([
    ['0.2.0-alpha.12', ['--suite', 'all'], 40],
    ['0.1.16', [], 25],
  ])('%s', (version, more, least) => {
    test(
      'says the same of a server that is observed, behind the proxy, and with all parts of a guard; of a policy only what it refuses',
      async () => {
        const all = [direct, ...same, ...refusing]
        const { unlike, passed } = await compared(version, more, all)
        expect(passed).toBeGreaterThan(least)
        expect([...unlike.keys()]).toEqual(['tools-call-image'])
        const [plain, ...others] = unlike.get('tools-call-image') ?? []
        expect(others).toEqual([
          ...same.map(() => plain),
          ...refusing.map(() => expect.stringContaining('1 failed')),
        ])
        expect(plain).toContain(' 0 failed')
      },
      suiteTimeoutMs,
    )
  })

  test.skipIf(!hasSubject)(
    'the suite says the same of a client that is observed',
    async () => {
      const [suite = ''] = Object.values(conformanceSuites())
      const [plain = '', observing = ''] = writeClients()
      // One after the other: the suite starts all its clients at once, and takes one that has no turn for one that fails.
      const without = await results(suite, clientOf(plain))
      expect(without.filter(line => line.startsWith('✓')).length).toBeGreaterThan(15)
      expect(await results(suite, clientOf(observing))).toEqual(without)
      expect(existsSync(join(folder, 'client', 'spool'))).toBe(true)
    },
    suiteTimeoutMs,
  )
})
