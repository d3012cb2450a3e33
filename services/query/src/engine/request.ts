import { AppError } from '@muniment/schema'
import type { ViewName } from '../views.ts'

/** Conditions for people who do not write SQL; all that are given must hold. */
export interface Filters {
  readonly view?: ViewName
  /** `true` gives whole records, exact, in the one column `raw`. */
  readonly asRecords?: boolean
  /** Milliseconds since the epoch, both included. */
  readonly sinceMs?: number | undefined
  readonly untilMs?: number | undefined
  readonly kind?: string | undefined
  /** Every kind but this one. */
  readonly exceptKind?: string | undefined
  readonly outcome?: string | undefined
  readonly method?: string | undefined
  /** Tool, prompt or URI. */
  readonly target?: string | undefined
  readonly principal?: string | undefined
  /** Name of the observed server. */
  readonly server?: string | undefined
  readonly session?: string | undefined
  /** Type of personal data that was found, such as `EMAIL`. */
  readonly pii?: string | undefined
}

const lists: Readonly<Record<ViewName, string>> = {
  events:
    'time, kind, outcome, method, target, principal_id, client_name, server_name, duration_ms, pii_types, tenant, id, archived',
  alerts: 'time, severity_id, rule, title, message, principal_id, tenant, count, id, archived',
  control: 'time, scope, value, action, reason, rule, expires, version, archived',
  audit: '"timestamp", operation, user_id, resource, success, details, session_id',
}

const columnNames: Readonly<Record<ViewName, Readonly<Record<string, string>>>> = {
  events: {
    kind: 'kind',
    exceptKind: 'kind',
    outcome: 'outcome',
    method: 'method',
    target: 'target',
    principal: 'principal_id',
    server: 'server_name',
    session: 'session_id',
    pii: 'pii_types',
  },
  alerts: { principal: 'principal_id' },
  control: { target: 'value' },
  audit: { method: 'operation', target: 'resource', principal: 'user_id', session: 'session_id' },
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

function timeOf(view: ViewName): string {
  return view === 'audit' ? '"timestamp"' : 'time'
}

function timestamp(timeMs: number): string {
  return `TIMESTAMPTZ ${quoted(new Date(timeMs).toISOString())}`
}

function conditions(filters: Filters, view: ViewName): readonly string[] {
  const { view: _view, asRecords: _asRecords, sinceMs, untilMs, ...texts } = filters
  const time = timeOf(view)
  const bounds = [
    ...(sinceMs === undefined ? [] : [`${time} >= ${timestamp(sinceMs)}`]),
    ...(untilMs === undefined ? [] : [`${time} <= ${timestamp(untilMs)}`]),
  ]
  const rest = Object.entries(texts).flatMap(([name, value]): string[] => {
    if (value === undefined) return []
    const column = columnNames[view][name]
    if (column === undefined)
      throw new AppError('QUERY_INVALID', `The view ${view} cannot be filtered by ${name}.`)
    if (name === 'pii') return [`list_contains(string_split(${column}, ','), ${quoted(value)})`]
    return [`${column} ${name === 'exceptKind' ? '<>' : '='} ${quoted(value)}`]
  })
  return [...bounds, ...rest]
}

/** The query that `filters` stand for: newest first, at most `limit` rows. Throws `QUERY_INVALID` for a filter the view does not have. */
export function sqlOf(filters: Filters, limit: number): string {
  const { view = 'events' } = filters
  const all = conditions(filters, view)
  const where = all.length === 0 ? '' : ` WHERE ${all.join(' AND ')}`
  if (filters.asRecords === true && view === 'audit')
    throw new AppError('QUERY_INVALID', 'The view audit has no whole records; use events.')
  return `SELECT ${filters.asRecords === true ? 'raw' : lists[view]} FROM ${view}${where} ORDER BY ${timeOf(view)} DESC LIMIT ${limit}`
}
