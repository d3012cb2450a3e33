import type { Alert } from '@muniment/schema'

/**
 * A place where alerts go.
 * Delivery: resolves when the place has taken the alert; retries what may pass by itself; rejects with `DEPENDENCY_UNREACHABLE` when it gives up
 * and `SERVICE_ERROR` where the place refuses for good. Repeats: the same alert may come again and carries the same `metadata.uid`.
 * Errors name the sink and the status, never the alert's content. An aborted signal rejects at once.
 */
export interface Sink {
  readonly name: string
  deliver(alert: Alert, signal: AbortSignal): Promise<void>
}
