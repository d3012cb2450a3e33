import { topic } from '@muniment/schema'

/**
 * Columns are an index for queries; the evidence is `raw`. A value of the wrong type becomes NULL. Digests and nonces are
 * no columns: they cannot be compressed, and would cost a fifth of an event's size to find what `raw` has.
 */
interface Column {
  readonly name: string
  /** SQL over `j`, the parsed record. */
  readonly sql: string
}

/** What of a record is parsed, in the notation of DuckDB's `from_json`, and what columns come of it. */
interface ColumnSet {
  readonly json: object
  readonly columns: readonly Column[]
}

const text = 'VARCHAR'
const whole = 'BIGINT'
const real = 'DOUBLE'

function plain(...names: readonly string[]): readonly Column[] {
  return names.map(name => ({ name, sql: `j."${name}"` }))
}

function nested(...paths: readonly string[]): readonly Column[] {
  return paths.map(path => ({
    name: path.replaceAll('.', '_'),
    sql: `j.${path
      .split('.')
      .map(part => `"${part}"`)
      .join('.')}`,
  }))
}

function joined(name: string, list: string): Column {
  return {
    name,
    sql: `TRY(array_to_string(list_sort(list_distinct(list_transform(${list}, lambda x: x."type"))), ','))`,
  }
}

const events: ColumnSet = {
  json: {
    id: text,
    time: text,
    duration_ms: real,
    tenant: text,
    kind: text,
    outcome: text,
    direction: text,
    transport: text,
    protocol_version: text,
    method: text,
    target: text,
    rpc_id: text,
    channel_id: text,
    session_id: text,
    conversation_id: text,
    trace_id: text,
    span_id: text,
    task_id: text,
    round: whole,
    principal: { id: text, client_id: text, issuer: text, method: text },
    client: { name: text, version: text },
    server: { name: text, version: text, id: text },
    error: { code: text, type: text },
    request: { size_bytes: whole, item_count: whole, truncated: 'BOOLEAN' },
    response: { size_bytes: whole, item_count: whole, truncated: 'BOOLEAN' },
    pii: { findings: [{ type: text }] },
    source: { instance: text, epoch: whole, seq: whole },
  },
  columns: [
    ...plain('id'),
    { name: 'time', sql: 'TRY_CAST(j."time" AS TIMESTAMPTZ)' },
    ...plain('duration_ms', 'tenant', 'kind', 'outcome', 'direction', 'transport', 'protocol_version'),
    ...plain('method', 'target', 'rpc_id', 'channel_id', 'session_id', 'conversation_id'),
    ...plain('trace_id', 'span_id', 'task_id', 'round'),
    ...nested('principal.id', 'principal.client_id', 'principal.issuer', 'principal.method'),
    ...nested('client.name', 'client.version', 'server.name', 'server.version', 'server.id'),
    ...nested('error.code', 'error.type'),
    ...nested('request.size_bytes', 'request.item_count', 'request.truncated'),
    ...nested('response.size_bytes', 'response.item_count', 'response.truncated'),
    joined('pii_types', 'j.pii.findings'),
    ...nested('source.instance', 'source.epoch', 'source.seq'),
  ],
}

const alerts: ColumnSet = {
  json: {
    time: whole,
    severity_id: whole,
    status_id: whole,
    activity_id: whole,
    message: text,
    count: whole,
    risk_score: real,
    confidence_score: real,
    metadata: { uid: text, tenant_uid: text, correlation_uid: text },
    finding_info: {
      uid: text,
      title: text,
      first_seen_time: whole,
      last_seen_time: whole,
      analytic: { uid: text, name: text },
    },
    actor: { user: { uid: text } },
    unmapped: { dedup_key: text, source: { lane: text, seq: whole } },
  },
  columns: [
    { name: 'id', sql: 'j.metadata.uid' },
    { name: 'time', sql: 'TRY(make_timestamptz(j."time" * 1000))' },
    { name: 'tenant', sql: 'j.metadata.tenant_uid' },
    ...plain('severity_id', 'status_id', 'activity_id', 'message', 'count', 'risk_score', 'confidence_score'),
    { name: 'rule', sql: 'j.finding_info.analytic.uid' },
    { name: 'rule_name', sql: 'j.finding_info.analytic.name' },
    { name: 'finding_id', sql: 'j.finding_info.uid' },
    { name: 'title', sql: 'j.finding_info.title' },
    { name: 'first_seen', sql: 'TRY(make_timestamptz(j.finding_info.first_seen_time * 1000))' },
    { name: 'last_seen', sql: 'TRY(make_timestamptz(j.finding_info.last_seen_time * 1000))' },
    { name: 'principal_id', sql: 'j.actor."user".uid' },
    { name: 'correlation_id', sql: 'j.metadata.correlation_uid' },
    { name: 'source_lane', sql: 'j.unmapped."source".lane' },
    { name: 'source_seq', sql: 'j.unmapped."source".seq' },
  ],
}

const control: ColumnSet = {
  json: {
    scope: text,
    value: text,
    action: text,
    rate_per_minute: real,
    reason: text,
    rule: text,
    alert_id: text,
    issued: text,
    expires: text,
    version: whole,
  },
  columns: [
    { name: 'time', sql: 'TRY_CAST(j.issued AS TIMESTAMPTZ)' },
    ...plain('scope', 'value', 'action', 'rate_per_minute', 'reason', 'rule', 'alert_id'),
    { name: 'expires', sql: 'TRY_CAST(j.expires AS TIMESTAMPTZ)' },
    ...plain('version'),
  ],
}

const sets: Readonly<Record<string, ColumnSet>> = {
  [topic.events]: events,
  [topic.alerts]: alerts,
  [topic.control]: control,
}

const noColumns: ColumnSet = { json: { id: text }, columns: [] }

function columnSet(topicName: string): ColumnSet {
  return sets[topicName] ?? noColumns
}

/**
 * The query that turns the rows of the table function `source` into the columns of `topicName`, those in `more`, and `part`; malformed records keep
 * only `raw`.
 */
export function selectFor(topicName: string, source: string, more: readonly string[]): string {
  const { json, columns } = columnSet(topicName)
  const list = columns.map(({ name, sql }) => `${sql} AS "${name}"`)
  const parsed = `TRY(from_json(TRY(decode(raw)), '${JSON.stringify(json)}'))`
  const all = [...list, 'partition_offset', 'raw', ...more, 'part']
  return `SELECT ${all.join(', ')} FROM (SELECT ${parsed} AS j, * FROM ${source}())`
}
