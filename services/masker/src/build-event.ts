import { setImmediate as nextTick } from 'node:timers/promises'
import {
  AppError,
  cloudEventHeaders,
  eventType,
  isObservation,
  laneOf,
  maxRecordBytes,
  observationSchema,
  type Frame,
  type Observation,
} from '@muniment/schema'
import type { Digest } from './digest.ts'
import { cutMessage, isLarge, maskMessage, preview } from './mask-message.ts'
import type { Finding, MaskedMessage, MaskMessage } from './masked-message.ts'
import type { VaultedTokens } from './vaulted.ts'

/** Where a text comes from, as far as policies ask for it. */
export interface Origin {
  readonly tenant: string
  readonly server: string
  /** What was called: the tool, prompt or address. */
  readonly tool: string
}

/** Masks personal data; on any doubt it masks more. */
export interface Mask {
  /** Names the detectors and the policy, for the event. */
  readonly version: string
  /** Masks a message, splicing JSON so that what parses keeps parsing. */
  readonly message: (
    text: string,
    origin: Origin,
  ) => { readonly text: string; readonly findings: readonly Finding[] }
  /** Masks a short text: a target, an error message, a name. */
  readonly short: (text: string, origin: Origin) => string
  /** Where tokens are vaulted: whether texts met values without one, and how to get them; then the texts are masked again. */
  readonly vaulted?: Pick<VaultedTokens, 'lacked' | 'settle'> | undefined
}

/** The mask for the texts of one event. */
interface EventMask {
  readonly version: string
  readonly message: MaskMessage
  readonly short: (text: string) => string
}

function maskFor(mask: Mask, { tenant, server, target }: Observation): EventMask {
  const origin: Origin = { tenant, server: server?.name ?? '', tool: target ?? '' }
  return {
    version: mask.version,
    message: text => mask.message(text, origin),
    short: text => mask.short(text, origin),
  }
}

/** What building an event needs beside its frame. */
export interface BuildContext {
  readonly mask: Mask
  /** Of the event's tenant. */
  readonly digest: Digest
  /** 16 fresh random bytes as hex. */
  readonly nonce: () => string
}

interface EventContext extends Omit<BuildContext, 'mask'> {
  readonly mask: EventMask
}

/** A masked event as it goes onto the bus. */
export interface BuiltEvent {
  readonly seq: number
  readonly tenant: string
  /** Its lane, with the suffix of a replay. */
  readonly laneKey: string
  readonly value: Uint8Array
  readonly headers: Record<string, string>
}

const decoder = new TextDecoder()

type Side = Observation['request']

/** What a guard let go on instead: under the same key as the digest of the original, so that it is no easier to guess. */
function changedField(side: Side, { digest, mask }: EventContext): string {
  if (side?.changed === undefined) return ''
  const { sha256, size_bytes: size, findings = [] } = side.changed
  const masked = findings.map(({ type, path, count, action }) => ({
    type: mask.short(type),
    path: mask.short(path),
    count,
    action: mask.short(action),
  }))
  const keyed = digest(Buffer.from(sha256, 'hex'))
  return `,"changed":${JSON.stringify({ digest: keyed, size_bytes: size, findings: masked })}`
}

interface SideField {
  readonly message: MaskedMessage | undefined
  readonly side: Side
  readonly changed: string
}

function messageField(name: string, { message, side, changed }: SideField): string {
  if (message === undefined) return ''
  const items = side?.item_count ?? message.itemCount
  const count = items === undefined ? '' : `,"item_count":${items}`
  const truncated = side?.truncated === undefined ? '' : `,"truncated":${side.truncated}`
  const size = side?.size_bytes ?? 0
  return `,"${name}":{"body":${message.json},"digest":"${message.digest}","size_bytes":${size}${count}${truncated}${changed}}`
}

/** Reads the envelope of a frame. Throws `BATCH_MALFORMED`, or `SCHEMA_UNKNOWN` for another version. */
export function readEnvelope(bytes: Uint8Array): Observation {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(bytes))
  } catch (cause) {
    throw new AppError('BATCH_MALFORMED', 'An envelope is no JSON.', { cause })
  }
  if (typeof value === 'object' && value !== null && 'v' in value && value.v !== 1)
    throw new AppError(
      'SCHEMA_UNKNOWN',
      `An observation has version ${String(value.v).slice(0, 20)}; known: 1.`,
    )
  if (isObservation(value)) return value
  const parsed = observationSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const fields = parsed.error.issues.slice(0, 5).map(issue => issue.path.join('.'))
  throw new AppError('BATCH_MALFORMED', `An envelope is not valid in: ${fields.join(', ')}.`)
}

type Label = NonNullable<Observation['client']>

function maskLabel(label: Label, mask: EventMask): Label {
  const { name, version, id } = label
  return {
    name: mask.short(name),
    ...(version !== undefined && { version: mask.short(version) }),
    ...(id !== undefined && { id: mask.short(id) }),
  }
}

/** Envelope fields that a client or server can fill with text of its own. */
const foreignFields = [
  'protocol_version',
  'method',
  'target',
  'rpc_id',
  'session_id',
  'conversation_id',
  'trace_id',
  'span_id',
  'task_id',
] as const

/** Trace ids, span ids and UUIDs hold nobody's data, and joins need them whole. Digits alone may be a card number. */
const identifier = /^(?:(?=\d*[a-f])[0-9a-f]{16,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/u

type EventError = NonNullable<Observation['error']>

function maskError({ code, type, message }: EventError, mask: EventMask): EventError {
  return {
    type: mask.short(type),
    ...(code !== undefined && { code: typeof code === 'string' ? mask.short(code) : code }),
    ...(message !== undefined && { message: mask.short(message) }),
  }
}

function maskEnvelope(observation: Observation, mask: EventMask): Observation {
  const masked = { ...observation }
  for (const field of foreignFields) {
    const value = masked[field]
    if (typeof value === 'string' && !identifier.test(value)) masked[field] = mask.short(value)
  }
  if (masked.client) masked.client = maskLabel(masked.client, mask)
  if (masked.server) masked.server = maskLabel(masked.server, mask)
  if (masked.error) masked.error = maskError(masked.error, mask)
  return masked
}

interface Parts {
  readonly envelope: Observation
  readonly request: MaskedMessage | undefined
  readonly response: MaskedMessage | undefined
  readonly tail: string
  /** What became of either side, as fields of it. */
  readonly changed: { readonly request: string; readonly response: string }
}

const maxFindings = 256

function assemble({ envelope, request, response, tail, changed }: Parts): string {
  // What is undefined is left out; to drop keys by rest syntax costs several times as much.
  const head = JSON.stringify({ ...envelope, v: undefined, request: undefined, response: undefined })
  const asked = messageField('request', {
    message: request,
    side: envelope.request,
    changed: changed.request,
  })
  const told = messageField('response', {
    message: response,
    side: envelope.response,
    changed: changed.response,
  })
  return `${head.slice(0, -1)}${asked}${told},${tail}`
}

/** The same event with a preview of each message in place of the message. */
function shorten(parts: Parts): Parts {
  const { envelope, request, response } = parts
  return {
    ...parts,
    envelope: {
      ...envelope,
      ...(envelope.request && { request: { ...envelope.request, truncated: true } }),
      ...(envelope.response && { response: { ...envelope.response, truncated: true } }),
    },
    request: request && preview(request),
    response: response && preview(response),
  }
}

/** The event's JSON, in as many bytes as one record may have. */
function eventBytes(
  envelope: Observation,
  messages: readonly (MaskedMessage | undefined)[],
  context: EventContext,
): Uint8Array {
  const [request, response] = messages
  const findings = messages.flatMap(message => message?.findings ?? []).slice(0, maxFindings)
  const pii = { findings, version: context.mask.version }
  const tail = JSON.stringify({ pii, nonce: context.nonce() }).slice(1)
  const changed = {
    request: changedField(envelope.request, context),
    response: changedField(envelope.response, context),
  }
  const parts = { envelope, request, response, tail, changed }
  if (!messages.some(message => message?.isCut)) {
    const whole = Buffer.from(assemble(parts))
    if (whole.length <= maxRecordBytes) return whole
  }
  return Buffer.from(assemble(shorten(parts)))
}

const traceId = /^[0-9a-f]{32}$/u
const spanId = /^[0-9a-f]{16}$/u
const plainMethod = /^[A-Za-z/_$]{1,64}$/u

function traceparent({ trace_id: trace, span_id: span }: Observation): string | undefined {
  return trace !== undefined && span !== undefined && traceId.test(trace) && spanId.test(span)
    ? `00-${trace}-${span}-01`
    : undefined
}

function headersOf(observation: Observation, lane: string): Record<string, string> {
  const { id, time, kind, method, source, tenant, gap } = observation
  const headers = cloudEventHeaders({
    id,
    source: `/muniment/${encodeURIComponent(source.instance)}`,
    type: eventType(kind),
    time,
    subject: method !== undefined && plainMethod.test(method) ? method : undefined,
    partitionKey: lane,
    traceparent: traceparent(observation),
  })
  headers['mun_lane'] = lane
  headers['mun_seq'] = String(source.seq)
  headers['mun_from'] = String(gap?.from_seq ?? source.seq)
  headers['mun_tenant'] = tenant
  return headers
}

interface Incoming {
  readonly observation: Observation
  readonly frame: Frame
  /** Marks events that a replay from the dead-letter topic mends. */
  readonly laneSuffix: string
}

/** Masks one observation and builds its event; waits only for messages that no record can hold. */
export function buildEvent(
  incoming: Incoming,
  { mask, ...rest }: BuildContext,
): BuiltEvent | Promise<BuiltEvent> {
  const { frame, observation } = incoming
  const context = { ...rest, mask: maskFor(mask, observation) }
  const sides = [frame.request, frame.response]
  if (sides.some(isLarge)) return buildLarge(incoming, sides, context)
  const messages = sides.map(bytes => bytes && maskMessage(bytes, context.mask.message, context.digest))
  return eventOf(incoming, messages, context)
}

async function buildLarge(
  incoming: Incoming,
  sides: readonly (Uint8Array | undefined)[],
  context: EventContext,
): Promise<BuiltEvent> {
  const messages: (MaskedMessage | undefined)[] = []
  for (const bytes of sides) {
    await nextTick()
    if (bytes === undefined) messages.push(undefined)
    else
      messages.push(
        isLarge(bytes)
          ? await cutMessage(bytes, context.mask.message, context.digest)
          : maskMessage(bytes, context.mask.message, context.digest),
      )
  }
  return eventOf(incoming, messages, context)
}

function eventOf(
  { observation, laneSuffix }: Incoming,
  messages: readonly (MaskedMessage | undefined)[],
  context: EventContext,
): BuiltEvent {
  const { source, tenant } = observation
  const laneKey = `${laneOf(source)}${laneSuffix}`
  return {
    seq: source.seq,
    tenant,
    laneKey,
    value: eventBytes(maskEnvelope(observation, context.mask), messages, context),
    headers: headersOf(observation, laneKey),
  }
}
