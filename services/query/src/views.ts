import type { Column } from './sandbox/protocol.ts'

/** A table that views are written over: empty while the query is planned, files of rows when it runs. */
export interface BaseTable {
  readonly name: string
  readonly columns: readonly Column[]
}

/** A named query over base tables. */
export interface View {
  readonly name: string
  readonly sql: string
}

const types = { t: 'VARCHAR', w: 'BIGINT', r: 'DOUBLE', b: 'BOOLEAN', z: 'TIMESTAMPTZ' } as const

function columns(type: keyof typeof types, names: string): readonly Column[] {
  return names.split(' ').map(name => ({ name, type: types[type] }))
}

/** What every row has beside the columns of its topic; `source` is the file it came from. */
const common: readonly Column[] = [
  { name: 'partition_offset', type: types.w },
  { name: 'raw', type: 'BLOB' },
  { name: 'source', type: types.t },
  { name: 'archived', type: types.b },
]

/** The columns of the archive's segments of `mcp.events`. */
const eventColumns: readonly Column[] = [
  ...columns('t', 'id'),
  ...columns('z', 'time'),
  ...columns('r', 'duration_ms'),
  ...columns('t', 'tenant kind outcome direction transport protocol_version method target rpc_id channel_id'),
  ...columns('t', 'session_id conversation_id trace_id span_id task_id'),
  ...columns('w', 'round'),
  ...columns('t', 'principal_id principal_client_id principal_issuer principal_method'),
  ...columns('t', 'client_name client_version server_name server_version server_id error_code error_type'),
  ...columns('w', 'request_size_bytes request_item_count'),
  ...columns('b', 'request_truncated'),
  ...columns('w', 'response_size_bytes response_item_count'),
  ...columns('b', 'response_truncated'),
  ...columns('t', 'pii_types source_instance'),
  ...columns('w', 'source_epoch source_seq'),
]

/** The columns of the archive's segments of `mcp.alerts`. */
const alertColumns: readonly Column[] = [
  ...columns('t', 'id'),
  ...columns('z', 'time'),
  ...columns('t', 'tenant'),
  ...columns('w', 'severity_id status_id activity_id'),
  ...columns('t', 'message'),
  ...columns('w', 'count'),
  ...columns('r', 'risk_score confidence_score'),
  ...columns('t', 'rule rule_name finding_id title'),
  ...columns('z', 'first_seen last_seen'),
  ...columns('t', 'principal_id correlation_id source_lane'),
  ...columns('w', 'source_seq'),
]

/** The columns of the archive's segments of `mcp.control`. */
const controlColumns: readonly Column[] = [
  ...columns('z', 'time'),
  ...columns('t', 'scope value action'),
  ...columns('r', 'rate_per_minute'),
  ...columns('t', 'reason rule alert_id'),
  ...columns('z', 'expires'),
  ...columns('w', 'version'),
]

/** Base tables by the topic whose records they hold. */
export const baseTables = {
  events: { name: 'base_events', columns: [...eventColumns, ...common] },
  alerts: { name: 'base_alerts', columns: [...alertColumns, ...common] },
  control: { name: 'base_control', columns: [...controlColumns, ...common] },
} as const satisfies Readonly<Record<string, BaseTable>>

/** A name that a query can select from. */
export type ViewName = keyof typeof baseTables | 'audit'

function list(of: readonly Column[]): string {
  return of.map(({ name }) => `"${name}"`).join(', ')
}

function json(path: string): string {
  return `TRY(json_extract(decode(raw), '${path}'))`
}

const tail = 'partition_offset, archived, TRY(decode(raw)) AS raw'

function text(path: string): string {
  return `TRY(json_extract_string(decode(raw), '${path}'))`
}

/** What is not worth a column of its own in the archive: it does not compress, or is a whole message. */
const bodies = [
  `${text('$.error.message')} AS error_message`,
  `${text('$.request.digest')} AS request_digest`,
  `${text('$.response.digest')} AS response_digest`,
  `${text('$.nonce')} AS nonce`,
  `${json('$.request.body')} AS request`,
  `${json('$.response.body')} AS response`,
  `${json('$.pii.findings')} AS pii_findings`,
].join(', ')

const details = `json_object('event_id', id, 'kind', kind, 'outcome', outcome, 'duration_ms', duration_ms, 'error_code', error_code,
  'pii_types', pii_types, 'server', server_name, 'client', client_name, 'tenant', tenant, 'trace_id', trace_id)::VARCHAR`

/** Who called: the verified principal, else the client's own word for itself marked as such. */
const caller = `coalesce(principal_id, 'label:' || client_name, 'anonymous')`

/** The classic audit line: seven columns, in this order. */
const audit = `SELECT time AS "timestamp", coalesce(method, kind) AS operation, ${caller} AS user_id, target AS resource,
  coalesce(outcome IN ('ok', 'input_required', 'task'), kind NOT IN ('rejected', 'gap', 'cancelled', 'unanswered')) AS success,
  ${details} AS details, session_id FROM base_events WHERE kind NOT IN ('heartbeat', 'stream', 'begun')`

/** What people query. Adding a column is fine; removing or renaming one breaks their queries. */
export const views: readonly (View & { readonly name: ViewName })[] = [
  { name: 'events', sql: `SELECT ${list(eventColumns)}, ${bodies}, ${tail} FROM base_events` },
  { name: 'alerts', sql: `SELECT ${list(alertColumns)}, ${tail} FROM base_alerts` },
  { name: 'control', sql: `SELECT ${list(controlColumns)}, ${tail} FROM base_control` },
  { name: 'audit', sql: audit },
]
