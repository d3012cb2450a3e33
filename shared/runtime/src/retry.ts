import { setTimeout as sleep } from 'node:timers/promises'
import { isAppError, type AppError } from '@muniment/schema'
import type { Logger } from './logger.ts'

/** Options of {@link retryWhileUnreachable}. */
export interface RetryOptions {
  readonly signal: AbortSignal
  readonly log: Logger
  /** Longest pause between two attempts. */
  readonly maxPauseMs?: number
}

const firstPauseMs = 100

/** Whether somebody must do something elsewhere, after which the same attempt succeeds: a dependency cannot be reached, or a disk is full or read-only. */
export function isOutage(error: unknown): error is AppError {
  return isAppError(error, 'DEPENDENCY_UNREACHABLE') || isAppError(error, 'DISK_UNUSABLE')
}

/**
 * Calls `attempt` until it succeeds, with doubling pauses, for as long as it fails by an outage ({@link isOutage}).
 * Rejects with any other failure at once, and with the last one when the signal aborts.
 */
export async function retryWhileUnreachable<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, log, maxPauseMs = 5000 } = options
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, maxPauseMs))
    try {
      return await attempt()
    } catch (error) {
      if (!isOutage(error) || signal.aborted) throw error
      log.warn('dependency.unreachable', { code: error.code, message: error.message, pauseMs })
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined)
    }
}
