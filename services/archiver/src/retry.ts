import type { TopicPartition } from '@muniment/bus'
import type { Logger } from '@muniment/runtime'
import { isAppError, type ErrorCode } from '@muniment/schema'

/** Failures that waiting does not mend: going on would archive something wrong, or nothing for ever. */
const final: ReadonlySet<ErrorCode> = new Set([
  'INVALID_INPUT',
  'ARCHIVE_DAMAGED',
  'STORE_UNSAFE',
  'CONFIG_INVALID',
  'SECRET_MALFORMED',
])

const firstPauseMs = 100
const maxPauseMs = 5000

/** What {@link createRetry} waits and reports with. */
export interface RetryDeps {
  readonly log: Logger
  /** Between 0 and 1. */
  readonly random: () => number
  readonly after: (delayMs: number, run: () => void) => () => void
}

/** Work for one partition that is repeated until it succeeds, or `signal` aborts. */
interface RetryWork<T> {
  readonly place: TopicPartition
  readonly signal: AbortSignal
  readonly attempt: () => Promise<T>
}

/** Repeats work with growing, jittered pauses. Rejects with the last failure when the signal aborts, at once with one that waiting does not mend. */
export type Retry = <T>(work: RetryWork<T>) => Promise<T>

/** Repeats what the store, the bus or the key store refuse, so that back-pressure builds up instead of loss. */
export function createRetry({ log, random, after }: RetryDeps): Retry {
  const pause = (delayMs: number, signal: AbortSignal): Promise<void> =>
    new Promise(resolve => {
      const cancel = after(delayMs, resolve)
      const stop = (): void => {
        cancel()
        resolve()
      }
      if (signal.aborted) stop()
      else signal.addEventListener('abort', stop, { once: true })
    })

  return async ({ place, signal, attempt }) => {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, maxPauseMs)) {
      try {
        return await attempt()
      } catch (error) {
        if (signal.aborted || !isAppError(error) || final.has(error.code)) throw error
        log.warn('archiver.retry', { ...place, code: error.code, message: error.message, pauseMs })
      }
      await pause(pauseMs * (0.5 + random() / 2), signal)
    }
  }
}
