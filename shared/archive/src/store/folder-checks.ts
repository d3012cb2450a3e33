import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, open, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createFileStore } from './fs.ts'
import type { ArchiveStore } from './store.ts'
import type { WormFinding } from './worm.ts'

const run = promisify(execFile)
const racers = 20
/** Files whose flags are asked for by one command. */
const filesAtOnce = 200
const probed = 'first'

interface Trial {
  readonly directory: string
  readonly probe: string
  readonly store: ArchiveStore
}

type Attempt = (trial: Trial) => Promise<string | undefined>

async function contentOf({ store }: Trial, key: string): Promise<string | undefined> {
  return (await store.get(key))?.toString()
}

/** What happened instead of the promise; `undefined` where it was kept. */
async function createTwice(trial: Trial): Promise<string | undefined> {
  const put = async (text: string): Promise<string> =>
    (await trial.store.put({ key: 'twice', bytes: Buffer.from(text), ifTaken: 'refuse' })).kind
  const answers = [await put(probed), await put('second')]
  const isKept = answers.join() === 'stored,taken' && (await contentOf(trial, 'twice')) === probed
  return isKept ? undefined : 'a taken name was created again: this file system has no exclusive links'
}

async function race({ store }: Trial): Promise<string | undefined> {
  const all = Array.from({ length: racers }, (_, at) =>
    store.put({ key: 'race', bytes: Buffer.from(String(at)), ifTaken: 'refuse' }),
  )
  const won = (await Promise.all(all)).filter(({ kind }) => kind === 'stored').length
  return won === 1 ? undefined : `of ${racers} creators ${won} won`
}

/** Whether what is attempted is refused. */
async function isRefused(attempt: () => Promise<unknown>): Promise<boolean> {
  return await attempt().then(
    () => false,
    () => true,
  )
}

async function overwrite(trial: Trial): Promise<string | undefined> {
  const path = join(trial.probe, 'twice')
  const isKept = await isRefused(async () => {
    await using file = await open(path, 'r+')
    await file.write('X', 0)
  })
  return isKept ? undefined : 'this account may write into read-only files'
}

async function remove(trial: Trial): Promise<string | undefined> {
  const isKept = await isRefused(() => unlink(join(trial.probe, 'twice')))
  return isKept
    ? undefined
    : 'whoever may write to the folder can remove files: only the log and its witnesses show it'
}

/** How many of some files carry the immutable flag, by `lsattr` of e2fsprogs. */
async function countImmutable(paths: readonly string[]): Promise<number> {
  const { stdout } = await run('lsattr', ['-d', '--', ...paths])
  return stdout.split('\n').filter(line => /^\S*i\S* /u.test(line)).length
}

async function immutableFlags({ directory }: Trial): Promise<string | undefined> {
  const archive = createFileStore(directory)
  const paths: string[] = []
  for await (const { key, version } of archive.list(''))
    if (key !== 'log/checkpoint') paths.push(join(directory, version === '0' ? key : `${key}~${version}`))
  if (paths.length === 0) return 'nothing is archived yet'
  let immutable = 0
  try {
    for (let at = 0; at < paths.length; at += filesAtOnce)
      immutable += await countImmutable(paths.slice(at, at + filesAtOnce))
  } catch {
    return 'lsattr is not there, or this file system has no such flag'
  }
  return immutable === paths.length ? undefined : `${immutable} of ${paths.length} archived files carry it`
}

const checks: readonly (readonly [id: string, isMust: boolean, promise: string, attempt: Attempt])[] = [
  ['F01', true, 'a taken name cannot be created again', createTwice],
  ['F02', true, 'of many creators of one name one wins', race],
  ['F03', false, 'this account cannot write into archived files', overwrite],
  ['F04', false, 'archived files carry the immutable flag (chattr +i)', immutableFlags],
  ['F05', false, 'this account cannot remove archived files', remove],
]

/**
 * Tries what a folder keeps, by effect. What it keeps it keeps against accidents and races: its owner and root can always undo it, so no finding here
 * makes a folder a store that holds against them.
 */
export async function checkFolder(directory: string): Promise<readonly WormFinding[]> {
  const probe = join(directory, '.part', `check-${randomUUID()}`)
  await mkdir(probe, { recursive: true, mode: 0o700 })
  const findings: WormFinding[] = []
  try {
    const trial = { directory, probe, store: createFileStore(probe) }
    for (const [id, isMust, promise, attempt] of checks) {
      const note = await attempt(trial)
      findings.push({ id, promise, isMust, isFine: note === undefined, ...(note !== undefined && { note }) })
    }
    return findings
  } finally {
    await rm(probe, { recursive: true, force: true })
  }
}
