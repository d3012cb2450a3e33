import { topic } from '@muniment/schema'

/** What a column holds and how it comes from JSON: `kinds` is the types of a list of findings, `milliseconds` a time as a number. */
export type ColumnType = 'text' | 'kinds' | 'whole' | 'real' | 'flag' | 'time' | 'milliseconds'

/**
 * Columns are an index for queries; the evidence is `raw`. A value of the wrong type becomes NULL. Digests and nonces are
 * no columns: they cannot be compressed, and would cost a fifth of an event's size to find what `raw` has.
 */
export interface Column {
  readonly name: string
  /** Where the value stands in a record: names joined by dots. */
  readonly path: string
  readonly type: ColumnType
}

function column(type: ColumnType, name: string, path: string): Column {
  return { name, type, path }
}

function plain(type: ColumnType, ...paths: readonly string[]): readonly Column[] {
  return paths.map(path => column(type, path.replaceAll('.', '_'), path))
}

const events: readonly Column[] = [
  ...plain('text', 'id'),
  ...plain('time', 'time'),
  ...plain('real', 'duration_ms'),
  ...plain('text', 'tenant', 'kind', 'outcome', 'direction', 'transport', 'protocol_version'),
  ...plain('text', 'method', 'target', 'rpc_id', 'channel_id', 'session_id', 'conversation_id'),
  ...plain('text', 'trace_id', 'span_id', 'task_id'),
  ...plain('whole', 'round'),
  ...plain('text', 'principal.id', 'principal.client_id', 'principal.issuer', 'principal.method'),
  ...plain('text', 'client.name', 'client.version', 'server.name', 'server.version', 'server.id'),
  ...plain('text', 'error.code', 'error.type'),
  ...plain('whole', 'request.size_bytes', 'request.item_count'),
  ...plain('flag', 'request.truncated'),
  ...plain('whole', 'response.size_bytes', 'response.item_count'),
  ...plain('flag', 'response.truncated'),
  column('kinds', 'pii_types', 'pii.findings'),
  ...plain('text', 'source.instance'),
  ...plain('whole', 'source.epoch', 'source.seq'),
]

const alerts: readonly Column[] = [
  column('text', 'id', 'metadata.uid'),
  column('milliseconds', 'time', 'time'),
  column('text', 'tenant', 'metadata.tenant_uid'),
  ...plain('whole', 'severity_id', 'status_id', 'activity_id'),
  ...plain('text', 'message'),
  ...plain('whole', 'count'),
  ...plain('real', 'risk_score', 'confidence_score'),
  column('text', 'rule', 'finding_info.analytic.uid'),
  column('text', 'rule_name', 'finding_info.analytic.name'),
  column('text', 'finding_id', 'finding_info.uid'),
  column('text', 'title', 'finding_info.title'),
  column('milliseconds', 'first_seen', 'finding_info.first_seen_time'),
  column('milliseconds', 'last_seen', 'finding_info.last_seen_time'),
  column('text', 'principal_id', 'actor.user.uid'),
  column('text', 'correlation_id', 'metadata.correlation_uid'),
  column('text', 'source_lane', 'unmapped.source.lane'),
  column('whole', 'source_seq', 'unmapped.source.seq'),
]

const control: readonly Column[] = [
  column('time', 'time', 'issued'),
  ...plain('text', 'scope', 'value', 'action'),
  ...plain('real', 'rate_per_minute'),
  ...plain('text', 'reason', 'rule', 'alert_id'),
  ...plain('time', 'expires'),
  ...plain('whole', 'version'),
]

const sets: Readonly<Record<string, readonly Column[]>> = {
  [topic.events]: events,
  [topic.alerts]: alerts,
  [topic.control]: control,
}

/** The columns of a topic's records, beside those that every segment has. */
export function columnsFor(topicName: string): readonly Column[] {
  return sets[topicName] ?? []
}
