import { createHash } from 'node:crypto'
import { envelopeLimits, uuidv7, type Frame, type Observation } from '@muniment/schema'
import { isMembers, textMember } from './json.ts'
import { clip, labelInMeta } from './message.ts'
import type { AdminAct, Body, Change, Entry, Exchange, Label } from './record.ts'
import type { Rounds } from './rounds.ts'

/** What turns records into observations beside the records themselves. */
export interface DescribeOptions {
  readonly instance: string
  readonly epoch: number
  readonly version: string
  readonly tenant: string
  /** At least 10 random bytes. */
  readonly random: (size: number) => Uint8Array
  readonly rounds: Rounds
}

/** Largest message kept whole; of a larger one the beginning is kept and the cut is marked. */
export const maxBodyBytes = 24 * 1024 * 1024
const cutBytes = 64 * 1024

type Sizes = NonNullable<Observation['request']>

interface Text {
  readonly bytes: Uint8Array | undefined
  readonly sizes: Sizes
}

const encoder = new TextEncoder()

function serialise(json: unknown): Uint8Array | undefined {
  try {
    const text: unknown = JSON.stringify(json)
    return typeof text === 'string' ? encoder.encode(text) : undefined
  } catch {
    // Too deep for the serialiser or circular: the transport could not have sent it either.
    return undefined
  }
}

function textOf(body: Body): Text {
  const bytes = 'raw' in body ? body.raw : serialise(body.json)
  if (bytes === undefined) return { bytes, sizes: { size_bytes: 0, truncated: true } }
  const size = 'raw' in body ? body.sizeBytes : bytes.length
  if (size <= maxBodyBytes && size === bytes.length) return { bytes, sizes: { size_bytes: size } }
  return { bytes: bytes.subarray(0, cutBytes), sizes: { size_bytes: size, truncated: true } }
}

/** What went on instead of a message: hashed here, off the path of the call. */
function changedBy({ body, findings }: Change): Sizes['changed'] {
  const bytes = 'raw' in body ? body.raw : serialise(body.json)
  if (bytes === undefined) return undefined
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const kept = findings?.slice(0, envelopeLimits.findings)
  return { size_bytes: bytes.length, sha256, ...(kept && { findings: kept }) }
}

function sizesOf(text: Text | undefined, change: Change | undefined): Sizes | undefined {
  if (text === undefined || change === undefined) return text?.sizes
  return { ...text.sizes, changed: changedBy(change) }
}

const traceForm = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/u
const conversationForm = /(?:^|,)\s*gen_ai\.conversation\.id=([^,;]{1,512})/u
const metaName = 'io.modelcontextprotocol/'

/** What the request's `_meta` says: W3C trace context and baggage, and the per-request envelope of the modern era. */
function metaFields(meta: unknown): Partial<Observation> {
  if (!isMembers(meta)) return {}
  const trace = traceForm.exec(textMember(meta, 'traceparent') ?? '')
  return {
    trace_id: trace?.[1],
    span_id: trace?.[2],
    conversation_id: conversationIn(meta),
  }
}

/** The conversation that a request's `_meta` names in its baggage. */
export function conversationIn(meta: unknown): string | undefined {
  return conversationForm.exec(textMember(meta, 'baggage') ?? '')?.[1]
}

function clipped(text: string | undefined): string | undefined {
  return text === undefined ? undefined : clip(text)
}

function serverLabel({ channel, labels }: Exchange): Label | undefined {
  if (channel.serverName === undefined) return labels.server
  return { ...labels.server, name: channel.serverName }
}

/** Fields that come from the channel and what its two sides said about themselves. */
function channelFields(exchange: Exchange): Partial<Observation> {
  const { channel, context, labels, meta } = exchange
  const version = textMember(meta, `${metaName}protocolVersion`)
  return {
    transport: channel.transport,
    channel_id: channel.id,
    session_id: clipped(context.sessionId),
    protocol_version: clipped(version ?? context.protocolVersion ?? labels.protocolVersion),
    principal: context.principal,
    client: labelInMeta(meta) ?? labels.client,
    server: serverLabel(exchange),
  }
}

const { short: maxShort, policies: maxPolicies } = envelopeLimits

function policyOf({ policy }: Exchange): Observation['policy'] {
  return policy?.slice(0, maxPolicies).map(({ name, decision, reason }) => ({
    name: name.slice(0, maxShort),
    decision: decision.slice(0, maxShort),
    reason: reason?.slice(0, maxShort),
  }))
}

function exchangeFields(exchange: Exchange): Partial<Observation> {
  const { durationMs } = exchange
  return {
    kind: exchange.kind,
    outcome: exchange.outcome,
    direction: exchange.direction,
    duration_ms: durationMs === undefined ? undefined : Math.max(0, Math.round(durationMs * 1000) / 1000),
    method: clipped(exchange.method),
    target: clipped(exchange.target),
    rpc_id: typeof exchange.rpcId === 'string' ? clip(exchange.rpcId) : exchange.rpcId,
    task_id: clipped(exchange.taskId),
    error: exchange.failure,
    policy: policyOf(exchange),
    ...metaFields(exchange.meta),
    ...channelFields(exchange),
  }
}

interface Described {
  readonly timeMs: number
  readonly tenant: string
  readonly fields: Partial<Observation>
  readonly request?: Uint8Array | undefined
  readonly response?: Uint8Array | undefined
}

function describeExchange(exchange: Exchange, rounds: Rounds): Described {
  const request = exchange.request === undefined ? undefined : textOf(exchange.request)
  const response = exchange.response === undefined ? undefined : textOf(exchange.response)
  const { itemCount } = exchange
  const sizes = sizesOf(response, exchange.responseChange)
  const counted = sizes === undefined || itemCount === undefined ? sizes : { ...sizes, item_count: itemCount }
  return {
    timeMs: exchange.timeMs,
    tenant: exchange.channel.tenant,
    fields: {
      ...exchangeFields(exchange),
      round: exchange.kind === 'begun' ? undefined : rounds.of(exchange),
      request: sizesOf(request, exchange.requestChange),
      response: counted,
    },
    request: request?.bytes,
    response: response?.bytes,
  }
}

function describeAct({
  method,
  target,
  outcome,
  principal,
  details,
}: AdminAct): Omit<Described, 'timeMs' | 'tenant'> {
  const { bytes, sizes } = textOf({ json: details, sizeBytes: 0 })
  const fields = { kind: 'admin', outcome, method: clip(method), target: clipped(target), principal } as const
  return { fields: { ...fields, request: sizes }, request: bytes }
}

function describeItem({ item }: Entry, { tenant, rounds }: DescribeOptions): Described {
  if (item.type === 'exchange') return describeExchange(item.exchange, rounds)
  const { timeMs } = item
  if (item.type === 'admin') return { timeMs, tenant, ...describeAct(item.act) }
  if (item.type === 'lane')
    return { timeMs, tenant, fields: { kind: 'heartbeat', lane: { state: item.state } } }
  const { fromSeq, toSeq, reason, count } = item.gap
  const gap = { from_seq: fromSeq, to_seq: toSeq, reason, count }
  return { timeMs, tenant, fields: { kind: 'gap', gap } }
}

/** Writes one record as a frame: the JSON of its observation, and the two messages as they were or would be on the wire. */
export function describe(entry: Entry, options: DescribeOptions): Frame {
  const { timeMs, tenant, fields, request, response } = describeItem(entry, options)
  const { instance, epoch, version } = options
  const observation = {
    v: 1,
    id: uuidv7(timeMs, options.random(10)),
    time: new Date(timeMs).toISOString(),
    tenant,
    ...fields,
    source: { instance, epoch, seq: entry.seq, version },
  }
  return { envelope: encoder.encode(JSON.stringify(observation)), request, response }
}
