import { setTimeout as sleep } from 'node:timers/promises'
import { isAppError } from '@muniment/schema'
import type { Logger } from './logger.ts'

/** Options of {@link retryWhileUnreachable}. */
export interface RetryOptions {
  readonly signal: AbortSignal
  readonly log: Logger
  /** Longest pause between two attempts. */
  readonly maxPauseMs?: number
}

const firstPauseMs = 100

/**
 * Calls `attempt` until it succeeds, with doubling pauses, for as long as it fails with `DEPENDENCY_UNREACHABLE`.
 * Rejects with any other failure at once, and with the last one when the signal aborts.
 */
export async function retryWhileUnreachable<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, log, maxPauseMs = 5000 } = options
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, maxPauseMs))
    try {
      return await attempt()
    } catch (error) {
      if (!isAppError(error, 'DEPENDENCY_UNREACHABLE') || signal.aborted) throw error
      log.warn('dependency.unreachable', { message: error.message, pauseMs })
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined)
    }
}
