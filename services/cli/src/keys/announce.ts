import { maxLifeMs } from '@muniment/keys/control'
import { decisionKey, type Decision } from '@muniment/schema'
import { decide, readControl, type ControlContext } from '../control.ts'

/** Every interceptor. */
const everybody = { scope: 'ingest_key', value: '*' } as const

const dayMs = 86_400_000

/** What interceptors are told: the key to seal to from now on. */
export interface Announcement {
  readonly publicKey: string
  readonly version: number
  /** `false`: they were told already, and for long enough. */
  readonly isNew: boolean
}

/** An announcement ends like any decision, so the last week of one is the time for the next. */
function isFresh(decision: Decision, nowMs: number): boolean {
  return Date.parse(decision.expires) - nowMs > 7 * dayMs
}

/** Tells every interceptor, signed, to seal to the ingest key that is active now. */
export async function announceIngestKey(context: ControlContext, signal: AbortSignal): Promise<Announcement> {
  const publicKey = await context.keys.ingestPublicKey()
  const view = await readControl(context, signal)
  const known = view.find(decisionKey(everybody))
  if (known?.public_key === publicKey && isFresh(known, Date.now()))
    return { publicKey, version: known.version, isNew: false }
  const { version } = await decide(
    context,
    { view, signal },
    {
      ...everybody,
      action: 'rotate',
      public_key: publicKey,
      reason: 'the key that batches are sealed to',
      lifeMs: maxLifeMs,
    },
  )
  return { publicKey, version, isNew: true }
}
