import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '@muniment/schema'

/** How long things may take around a lock. */
export interface LockTimes {
  /** Until a lock whose holder shows no sign of life is nobody's (default 30 s). */
  readonly staleMs?: number
  /** Until who waits gives up (default 60 s). */
  readonly waitMs?: number
}

const retryMs = 20
const beatShare = 3

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

async function isTaken(path: string, mine: string): Promise<boolean> {
  try {
    await using handle = await open(path, 'wx', 0o600)
    await handle.writeFile(mine)
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw new AppError('DISK_UNUSABLE', `The lock file ${path} cannot be used.`, { cause: error })
  }
}

/** Moves a dead holder's file aside before it goes: of two that find it, one has something to move. */
async function bury(path: string, staleMs: number): Promise<void> {
  const grave = `${path}.${randomUUID()}`
  try {
    const { mtimeMs } = await stat(path)
    if (Date.now() - mtimeMs <= staleMs) return
    await rename(path, grave)
    const moved = await stat(grave)
    // Somebody else buried the dead one and holds a new lock: give it back.
    if (Date.now() - moved.mtimeMs <= staleMs) await rename(grave, path)
    else await rm(grave, { force: true })
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
}

async function release(path: string, mine: string): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === mine) await rm(path, { force: true })
}

/**
 * Runs `action` while no other process does. The lock is a file, which works on Node 20 and on any file system; a holder shows that it lives by
 * the file's time, and the lock of one that died is taken over.
 */
export async function withFileLock<T>(
  path: string,
  action: () => Promise<T>,
  { staleMs = 30_000, waitMs = 60_000 }: LockTimes = {},
): Promise<T> {
  const mine = randomUUID()
  const giveUpMs = performance.now() + waitMs
  while (!(await isTaken(path, mine))) {
    if (performance.now() > giveUpMs)
      throw new AppError('DEPENDENCY_UNREACHABLE', `Another process holds ${path} for over ${waitMs} ms.`)
    await bury(path, staleMs)
    await sleep(retryMs)
  }
  const beat = setInterval(() => {
    const now = new Date()
    // A file that is gone by now shows itself at the release.
    utimes(path, now, now).catch(() => undefined)
  }, staleMs / beatShare)
  beat.unref()
  try {
    return await action()
  } finally {
    clearInterval(beat)
    await release(path, mine)
  }
}
