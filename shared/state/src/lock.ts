import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '@muniment/schema'

/** Mutual exclusion among processes. */
export interface ProcessLock extends Disposable {
  /** Runs `action` while no other process or caller does. Rejects with `DEPENDENCY_UNREACHABLE` where it is not had in time. */
  readonly hold: <T>(action: () => Promise<T>) => Promise<T>
}

const retryMs = 4
const waitMs = 30_000
const busy = 5

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === busy
}

/**
 * A lock that the operating system releases when its holder dies, however it dies, so there is no stale lock to tell from a live one: the
 * exclusive transaction of an empty SQLite file. Needs a file system with POSIX locks, so not every network mount.
 */
export function openLock(path: string): ProcessLock {
  const database = new DatabaseSync(path, { timeout: 0 })
  let queue: Promise<unknown> = Promise.resolve()

  function tryLock(): boolean {
    try {
      database.exec('BEGIN EXCLUSIVE')
      return true
    } catch (error) {
      if (isBusy(error)) return false
      throw new AppError('DISK_UNUSABLE', `The lock file ${path} cannot be used.`, { cause: error })
    }
  }

  async function exclusively<T>(action: () => Promise<T>): Promise<T> {
    for (let waitedMs = 0; !tryLock(); waitedMs += retryMs) {
      if (waitedMs > waitMs)
        throw new AppError('DEPENDENCY_UNREACHABLE', `Another process holds ${path} for over ${waitMs} ms.`)
      await sleep(retryMs)
    }
    try {
      return await action()
    } finally {
      database.exec('ROLLBACK')
    }
  }

  return {
    hold: async action => {
      const turn = queue.then(async () => await exclusively(action))
      queue = turn.catch(() => undefined)
      return await turn
    },
    [Symbol.dispose]: () => {
      database.close()
    },
  }
}
