import { randomBytes } from 'node:crypto'
import type { Bus } from '@muniment/bus'
import type { Keys } from '@muniment/keys'
import { AppError, cloudEventHeaders, decisionSchema, topic, uuidv7, type Decision } from '@muniment/schema'

/** Whom an announcement is for: every interceptor. */
const everybody = '*'

/** Interceptors that start years later must still accept the newest announcement. */
const validMs = 10 * 366 * 86_400_000

function parseDecision(value: Uint8Array): Decision | undefined {
  try {
    return decisionSchema.safeParse(JSON.parse(Buffer.from(value).toString())).data
  } catch {
    return undefined
  }
}

/** The newest announcement on the bus; its signature is not looked at, because only its version matters. */
async function newestAnnouncement(bus: Bus, signal: AbortSignal): Promise<Decision | undefined> {
  let newest: Decision | undefined
  for await (const { value } of bus.read({ topic: topic.control, untilEnd: true, signal })) {
    const decision = parseDecision(value)
    if (decision?.scope !== 'ingest_key' || decision.value !== everybody) continue
    if (newest === undefined || decision.version > newest.version) newest = decision
  }
  return newest
}

function recordOf(decision: Decision, nowMs: number): Parameters<Bus['publish']>[1][number] {
  const key = `${decision.scope}/${decision.value}`
  const headers = cloudEventHeaders({
    id: uuidv7(nowMs, randomBytes(10)),
    source: '/muniment/cli',
    type: 'dev.muniment.control.v1',
    time: decision.issued,
    subject: decision.action,
    partitionKey: key,
  })
  return { key, value: Buffer.from(JSON.stringify(decision)), headers }
}

/** What interceptors are told: the key to seal to from now on. */
export interface Announcement {
  readonly publicKey: string
  readonly version: number
  /** `false`: they were told already. */
  readonly isNew: boolean
}

/** Tells every interceptor, signed, to seal to the ingest key that is active now. */
export async function announceIngestKey(
  bus: Bus,
  keys: Keys,
  { nowMs, signal }: { readonly nowMs: number; readonly signal: AbortSignal },
): Promise<Announcement> {
  const publicKey = await keys.ingestPublicKey()
  const before = await newestAnnouncement(bus, signal)
  if (signal.aborted) throw new AppError('SERVICE_ERROR', 'Announcing was interrupted.')
  const verifier = await keys.controlVerifier()
  if (before?.public_key === publicKey && verifier.verify(before))
    return { publicKey, version: before.version, isNew: false }
  const signer = await keys.controlSigner()
  const decision = signer.sign({
    v: 1,
    scope: 'ingest_key',
    value: everybody,
    action: 'rotate',
    public_key: publicKey,
    reason: 'the ingest key was rotated',
    issued: new Date(nowMs).toISOString(),
    expires: new Date(nowMs + validMs).toISOString(),
    version: (before?.version ?? 0) + 1,
  })
  await bus.publish(topic.control, [recordOf(decision, nowMs)])
  return { publicKey, version: decision.version, isNew: true }
}
