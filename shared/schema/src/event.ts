import { z } from 'zod'

/** What an event records. `begun`: a request that was recorded before its server saw it; how it ended is another event of the same channel and id. */
export const eventKinds = [
  'begun',
  'call',
  'notification',
  'rejected',
  'cancelled',
  'unanswered',
  'stream',
  'gap',
  'heartbeat',
  'enforcement',
  'admin',
] as const

/** How an exchange ended. */
export const outcomes = [
  'ok',
  'tool_error',
  'rpc_error',
  'denied',
  'cancelled',
  'unanswered',
  'input_required',
  'task',
] as const

/** Longest strings of an envelope, in UTF-16 units; interceptors cut what a client made longer. */
export const envelopeLimits = {
  short: 256,
  text: 4096,
  errorMessage: 16_384,
  scopes: 64,
  policies: 64,
  findings: 64,
} as const

const short = z.string().max(envelopeLimits.short)
const text = z.string().max(envelopeLimits.text)
const seq = z.number().int().nonnegative()

const principal = z.object({
  id: text,
  client_id: text.optional(),
  issuer: text.optional(),
  scopes: z.array(short).max(envelopeLimits.scopes).optional(),
  method: text,
})

const label = z.object({ name: text, version: text.optional(), id: text.optional() })

/** Position in a lane: events of one `(instance, epoch)` are numbered `seq` = 0, 1, 2 … without holes. */
const position = z.object({ instance: text, epoch: seq, seq, version: text })

/**
 * The range of sequence numbers, both ends included, that a gap event stands for; its `source.seq` equals `to_seq`. `claimed`: nobody but
 * the clear headers of an unreadable batch says so, so a reader takes it only where it does not jump over numbers still to come.
 */
const gap = z.object({
  from_seq: seq,
  to_seq: seq,
  reason: text,
  count: seq,
  claimed: z.literal(true).optional(),
})

/** Start and end of a lane are events of it; a heartbeat (`alive`) repeats the last `seq` and takes no number. */
const lane = z.object({ state: z.enum(['start', 'alive', 'end']) })

/** What was found, where and how often; never the value. */
export const findingSchema = z.object({
  type: z.string(),
  path: z.string(),
  count: z.number().int(),
  action: z.string(),
})

/** Something personal that was found. */
export type Finding = z.infer<typeof findingSchema>

const found = z.array(findingSchema).max(envelopeLimits.findings).optional()

/** What a guard let go on in place of a message. Only the masker sees the plain hash: it makes a keyed one of it. */
const changed = z.object({ size_bytes: seq, sha256: z.string().regex(/^[0-9a-f]{64}$/u), findings: found })

const message = z.object({
  size_bytes: seq,
  item_count: seq.optional(),
  truncated: z.boolean().optional(),
  changed: changed.optional(),
})

/**
 * What an interceptor saw of one exchange, without the two message bodies: they travel beside it as the exact bytes
 * (see `batch.ts`), so that nobody parses or re-serialises them on the way.
 */
export const observationSchema = z.object({
  v: z.literal(1),
  id: z.uuidv7(),
  time: z.iso.datetime(),
  duration_ms: z.number().nonnegative().optional(),
  tenant: z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/u),
  kind: z.enum(eventKinds),
  outcome: z.enum(outcomes).optional(),
  direction: z.enum(['client_to_server', 'server_to_client']).optional(),
  transport: z.enum(['stdio', 'http', 'sse', 'in_memory']).optional(),
  protocol_version: text.optional(),
  method: text.optional(),
  target: text.optional(),
  rpc_id: z.union([text, z.number()]).optional(),
  channel_id: text.optional(),
  session_id: text.optional(),
  conversation_id: text.optional(),
  trace_id: text.optional(),
  span_id: text.optional(),
  task_id: text.optional(),
  round: seq.optional(),
  principal: principal.optional(),
  client: label.optional(),
  server: label.optional(),
  error: z
    .object({
      code: z.union([text, z.number()]).optional(),
      type: text,
      message: z.string().max(envelopeLimits.errorMessage).optional(),
    })
    .optional(),
  request: message.optional(),
  response: message.optional(),
  policy: z
    .array(z.object({ name: short, decision: short, reason: short.optional() }))
    .max(envelopeLimits.policies)
    .optional(),
  gap: gap.optional(),
  lane: lane.optional(),
  source: position,
})

/** What an interceptor saw of one exchange, without the message bodies. */
export type Observation = z.infer<typeof observationSchema>

const body = message.omit({ changed: true }).extend({
  /** The masked JSON-RPC message; a string where the original was not valid JSON or was cut. */
  body: z.unknown(),
  /** HMAC-SHA-256, hex, under the tenant's digest key, over the original bytes. */
  digest: z.string(),
  /** What a guard let go on instead: HMAC-SHA-256, hex, under the same key, over the SHA-256 of those bytes; and what it found in the original. */
  changed: z.object({ digest: z.string(), size_bytes: seq, findings: found }).optional(),
})

/** The masked record of one exchange, notification, rejection, gap or administrative act on `mcp.events`. */
export const eventSchema = observationSchema.omit({ v: true }).extend({
  request: body.optional(),
  response: body.optional(),
  pii: z.object({ findings: z.array(findingSchema), version: z.string() }),
  /** 128 random bits, hex: makes the event's leaf hash unguessable. */
  nonce: z.string(),
})

/** The masked record of one exchange. */
export type MunimentEvent = z.infer<typeof eventSchema>

/** The name of a lane, as used for record keys: `<instance>/<epoch>`. */
export function laneOf(source: { readonly instance: string; readonly epoch: number }): string {
  return `${source.instance}/${source.epoch}`
}

/** The tenant of administrative acts: they must outlive the tenants that they are about. */
export const adminTenant = 'muniment.admin'
