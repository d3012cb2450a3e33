import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '@muniment/schema'
import { describeFailure, isBusy, type Database } from './database.ts'

/** Most payload in one transaction, so that no commit holds the lock for long. */
const maxTransactionBytes = 8 * 1024 * 1024
const retryDelayMs = 4

/** Part of a transaction. It may run again where the transaction failed, so it changes nothing but the database. */
interface Write<T> {
  readonly run: () => T
  readonly bytes?: number
  /** Whether it must survive a power cut, not only the end of this process; default false. Writes survive in their order. */
  readonly isSynced?: boolean
  /** Called after the commit. */
  readonly onDone?: (result: T) => void
}

interface Pending {
  readonly run: () => () => void
  readonly reject: (error: unknown) => void
  readonly bytes: number
  readonly isSynced: boolean
  readonly deadlineMs: number
}

/** Runs writes in their order, as many in one transaction as are waiting. */
export interface Writer {
  /** Resolves when the result is kept; rejects with `DISK_UNUSABLE`, or `DEPENDENCY_UNREACHABLE` where other processes do not let go in time. */
  readonly write: <T>(write: Write<T>) => Promise<T>
  /** Resolves when nothing is waiting any more. */
  readonly drain: () => Promise<void>
}

export interface WriterOptions {
  readonly database: Database
  readonly timeoutMs: number
  readonly now: () => number
  /** Called after each commit. */
  readonly onCommit: () => void
}

function blocked(path: string, timeoutMs: number): AppError {
  return new AppError('DEPENDENCY_UNREACHABLE', `${path} was locked by other processes for ${timeoutMs} ms`, {
    hint: 'Look for a process that holds the file, such as a backup or a database browser.',
    details: { path, timeoutMs },
  })
}

function takeBatch(queue: Pending[]): Pending[] {
  let bytes = 0
  let count = 0
  for (const { bytes: more } of queue) {
    if (count > 0 && bytes + more > maxTransactionBytes) break
    bytes += more
    count++
  }
  return queue.splice(0, count)
}

function transact({ connection }: Database, batch: readonly Pending[]): (() => void)[] {
  const mode = batch.some(each => each.isSynced) ? 'FULL' : 'NORMAL'
  connection.exec(`PRAGMA synchronous = ${mode}`)
  connection.exec('BEGIN IMMEDIATE')
  try {
    const settle = batch.map(each => each.run())
    connection.exec('COMMIT')
    return settle
  } catch (error) {
    if (connection.isTransaction) connection.exec('ROLLBACK')
    throw error
  }
}

/** Commits the batch, waiting for other processes as long as any of its writes may wait. */
async function commit(options: WriterOptions, batch: readonly Pending[]): Promise<void> {
  const { database, now, timeoutMs } = options
  let waiting = batch
  while (waiting.length > 0) {
    try {
      const settle = transact(database, waiting)
      for (const each of settle) each()
      options.onCommit()
      return
    } catch (error) {
      const isOver = (each: Pending): boolean => !isBusy(error) || now() >= each.deadlineMs
      const failure = isBusy(error)
        ? blocked(database.path, timeoutMs)
        : describeFailure(database.path, error)
      for (const each of waiting.filter(isOver)) each.reject(failure)
      waiting = waiting.filter(each => !isOver(each))
    }
    if (waiting.length > 0) await delay(retryDelayMs)
  }
}

export function createWriter(options: WriterOptions): Writer {
  const queue: Pending[] = []
  let working: Promise<void> | undefined

  async function work(): Promise<void> {
    // Whatever is published in this turn of the event loop shares one commit.
    await new Promise(resolve => {
      setImmediate(resolve)
    })
    while (queue.length > 0) await commit(options, takeBatch(queue))
    working = undefined
  }

  return {
    write: ({ run, bytes = 0, isSynced = false, onDone }) =>
      new Promise((resolve, reject) => {
        const runOnce = (): (() => void) => {
          const result = run()
          return () => {
            onDone?.(result)
            resolve(result)
          }
        }
        queue.push({ run: runOnce, reject, bytes, isSynced, deadlineMs: options.now() + options.timeoutMs })
        working ??= work()
      }),
    drain: async () => {
      while (working !== undefined) await working
    },
  }
}
