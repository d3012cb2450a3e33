import { z } from 'zod'
import { envelopeLimits, eventKinds, outcomes, type Observation } from './event.ts'

type Check = (value: unknown) => boolean

interface Fields {
  readonly required: ReadonlyMap<string, Check>
  readonly optional: ReadonlyMap<string, Check>
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An object with nothing but these fields. */
function fieldsOf(
  required: Readonly<Record<string, Check>>,
  optional: Readonly<Record<string, Check>>,
): Check {
  const fields: Fields = {
    required: new Map(Object.entries(required)),
    optional: new Map(Object.entries(optional)),
  }
  return value => isRecord(value) && haveAll(value, fields)
}

function haveAll(value: Readonly<Record<string, unknown>>, { required, optional }: Fields): boolean {
  let missing = required.size
  // A loop that makes no list of the keys; what is inherited is one key too many, and so refused.
  for (const name in value) {
    const needed = required.get(name)
    const conforms = needed ?? optional.get(name)
    if (conforms === undefined || !conforms(value[name])) return false
    if (needed !== undefined) missing--
  }
  return missing === 0
}

const upTo =
  (most: number): Check =>
  value =>
    typeof value === 'string' && value.length <= most

const listOf =
  (most: number, element: Check): Check =>
  value =>
    Array.isArray(value) && value.length <= most && value.every(element)

const oneOf = (...values: readonly unknown[]): Check => values.includes.bind(values)

const like =
  (pattern: RegExp): Check =>
  value =>
    typeof value === 'string' && pattern.test(value)

const isBoolean: Check = value => typeof value === 'boolean'
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
const isCount: Check = value => Number.isSafeInteger(value) && Number(value) >= 0
const isShort = upTo(envelopeLimits.short)
const isText = upTo(envelopeLimits.text)
const isTextOrNumber: Check = value => isText(value) || isNumber(value)

const isFinding = fieldsOf({ type: isText, path: isText, count: isCount, action: isText }, {})
const isChanged = fieldsOf(
  { size_bytes: isCount, sha256: like(/^[0-9a-f]{64}$/u) },
  { findings: listOf(envelopeLimits.findings, isFinding) },
)
const isMessage = fieldsOf(
  { size_bytes: isCount },
  { item_count: isCount, truncated: isBoolean, changed: isChanged },
)
const isLabel = fieldsOf({ name: isText }, { version: isText, id: isText })
const isPolicy = fieldsOf({ name: isShort, decision: isShort }, { reason: isShort })

const uuidv7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/iu

const required = {
  v: oneOf(1),
  id: like(uuidv7),
  time: like(z.regexes.datetime({})),
  tenant: like(/^[a-z0-9][a-z0-9_.-]{0,62}$/u),
  kind: oneOf(...eventKinds),
  source: fieldsOf({ instance: isText, epoch: isCount, seq: isCount, version: isText }, {}),
}

const texts = [
  'protocol_version',
  'method',
  'target',
  'channel_id',
  'session_id',
  'conversation_id',
  'trace_id',
  'span_id',
  'task_id',
]

const optional = {
  ...Object.fromEntries(texts.map(name => [name, isText])),
  duration_ms: (value: unknown): boolean => isNumber(value) && value >= 0,
  outcome: oneOf(...outcomes),
  direction: oneOf('client_to_server', 'server_to_client'),
  transport: oneOf('stdio', 'http', 'sse', 'in_memory'),
  rpc_id: isTextOrNumber,
  round: isCount,
  principal: fieldsOf(
    { id: isText, method: isText },
    { client_id: isText, issuer: isText, scopes: listOf(envelopeLimits.scopes, isShort) },
  ),
  client: isLabel,
  server: isLabel,
  error: fieldsOf({ type: isText }, { code: isTextOrNumber, message: upTo(envelopeLimits.errorMessage) }),
  request: isMessage,
  response: isMessage,
  policy: listOf(envelopeLimits.policies, isPolicy),
  gap: fieldsOf(
    { from_seq: isCount, to_seq: isCount, reason: isText, count: isCount },
    { claimed: oneOf(true) },
  ),
  lane: fieldsOf({ state: oneOf('start', 'alive', 'end') }, {}),
}

const conforms = fieldsOf(required, optional)

/**
 * True only for a parsed JSON value that `observationSchema` accepts and returns unchanged. A quick look for the hot path, four
 * times as fast as the schema; what fails here is for the schema to judge.
 */
export function isObservation(value: unknown): value is Observation {
  return conforms(value)
}
