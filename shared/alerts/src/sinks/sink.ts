import type { Notice } from '../notice.ts'

/**
 * A place where alerts go.
 * Delivery: resolves when the place has taken the notice; retries what may pass by itself; rejects with `DEPENDENCY_UNREACHABLE` when it gives up
 * and `SERVICE_ERROR` where the place refuses for good. Repeats: the same notice may come again and has the same uid.
 * Errors name the sink and the status, never the content. An aborted signal rejects at once.
 */
export interface Sink extends AsyncDisposable {
  readonly kind: string
  deliver(notice: Notice, signal: AbortSignal): Promise<void>
}

/** How often, and with which pauses, a sink tries. */
export interface Persistence {
  /** Attempts in all; default 6. */
  readonly attempts?: number
  /** Longest wait for one answer; default 10 s. */
  readonly timeoutMs?: number
  /** Pause after the first failure, doubled after each, at most `maxPauseMs`; defaults 500 ms and 30 s. The pause is drawn between half and all of it. */
  readonly firstPauseMs?: number
  readonly maxPauseMs?: number
  /** A number in 0..1. */
  readonly random: () => number
}

/** For sinks that hold nothing. */
export async function nothingToClose(): Promise<void> {
  await Promise.resolve()
}
