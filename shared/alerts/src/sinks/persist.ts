import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '@muniment/schema'
import type { Persistence } from './sink.ts'

/** What one attempt came to; `retryAfterMs` where the place asked for a pause. */
export type Outcome =
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'failed'; readonly why: string; readonly retryAfterMs: number; readonly cause?: unknown }

/** Who is tried, in words without secrets, and what about. */
export interface Errand {
  /** As in "the webhook https://example.com". */
  readonly place: string
  readonly uid: string
  /** What to do where the place refuses. */
  readonly hint: string
  readonly signal: AbortSignal
}

function giveUp(
  { place, uid, hint }: Errand,
  outcome: Exclude<Outcome, { kind: 'taken' }>,
  count: number,
): AppError {
  if (outcome.kind === 'refused')
    return new AppError('SERVICE_ERROR', `${place} refused an alert with ${outcome.status}`, {
      hint,
      details: { status: outcome.status, alert: uid },
    })
  return new AppError('DEPENDENCY_UNREACHABLE', `${place} ${outcome.why}, ${count} times`, {
    details: { alert: uid },
    cause: outcome.cause,
  })
}

/** Tries until a notice is taken, with growing, jittered pauses; rejects where it is refused, or still fails after the last attempt. */
export async function persist(
  { attempts = 6, firstPauseMs = 500, maxPauseMs = 30_000, random }: Persistence,
  errand: Errand,
  attempt: () => Promise<Outcome>,
): Promise<void> {
  const { signal } = errand
  for (let count = 1; ; count += 1) {
    signal.throwIfAborted()
    const outcome = await attempt()
    if (outcome.kind === 'taken') return
    if (outcome.kind === 'refused' || count >= attempts) throw giveUp(errand, outcome, count)
    const pauseMs = Math.min(maxPauseMs, firstPauseMs * 2 ** (count - 1))
    const drawnMs = Math.max(pauseMs * (0.5 + random() / 2), Math.min(outcome.retryAfterMs, maxPauseMs))
    await sleep(drawnMs, undefined, { signal })
  }
}
