import type { VerifyReport } from '@muniment/archive'
import { AppError } from '@muniment/schema'
import type { QueryEngine, QueryFigures, QueryRequest } from '../engine/engine.ts'
import type { Filters } from '../engine/request.ts'
import type { Value } from '../sandbox/protocol.ts'

/** What the API answers from. */
export interface ApiOptions {
  readonly engine: QueryEngine
  readonly verify: (signal: AbortSignal) => Promise<VerifyReport>
  /** The tenants whose rows may be seen; all where left out. */
  readonly tenants?: readonly string[] | undefined
  readonly nowMs: () => number
}

/** One request to the API. */
export interface ApiRequest {
  readonly method: string
  readonly path: string
  readonly params: URLSearchParams
  readonly body: string
  readonly signal: AbortSignal
}

const hourMs = 3_600_000
const maxHours = 24 * 366
const maxLimit = 1000

interface Answer {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Value[])[]
  readonly figures: QueryFigures
}

async function ask({ engine, tenants }: ApiOptions, request: QueryRequest): Promise<Answer> {
  await using result = await engine.query({ ...request, ...(tenants && { tenants }) })
  const rows: (readonly Value[])[] = []
  for await (const row of result.rows) rows.push(row)
  return { columns: result.columns.map(({ name }) => name), rows, figures: result.figures() }
}

function objects({ columns, rows }: Answer): readonly Readonly<Record<string, Value>>[] {
  return rows.map(row => Object.fromEntries(columns.map((name, at) => [name, row[at] ?? null])))
}

function numberParam(
  params: URLSearchParams,
  name: string,
  range: { fallback: number; max: number },
): number {
  const text = params.get(name)
  const value = text === null ? range.fallback : Number(text)
  if (Number.isFinite(value) && value > 0 && value <= range.max) return value
  throw new AppError('QUERY_INVALID', `${name} must be a number above 0 and at most ${range.max}.`)
}

function sinceMs(options: ApiOptions, params: URLSearchParams): number {
  return options.nowMs() - numberParam(params, 'hours', { fallback: 24, max: maxHours }) * hourMs
}

function limitOf(params: URLSearchParams): number {
  return Math.floor(numberParam(params, 'limit', { fallback: 100, max: maxLimit }))
}

async function calls(options: ApiOptions, { params, signal }: ApiRequest): Promise<unknown> {
  const text = (name: string): string | undefined => params.get(name) ?? undefined
  const filters: Filters = {
    sinceMs: sinceMs(options, params),
    outcome: text('outcome'),
    target: text('target'),
    principal: text('principal'),
    pii: text('pii'),
  }
  const answer = await ask(options, { filters, limit: limitOf(params), signal })
  return { rows: objects(answer), figures: answer.figures }
}

async function summary(options: ApiOptions, { params, signal }: ApiRequest): Promise<unknown> {
  const since = new Date(sinceMs(options, params)).toISOString()
  const sql = `SELECT kind, outcome, pii_types, archived, count(*) AS calls FROM events WHERE time >= TIMESTAMPTZ '${since}' GROUP BY ALL ORDER BY calls DESC LIMIT 500`
  return { groups: objects(await ask(options, { sql, signal })) }
}

async function alerts(options: ApiOptions, { params, signal }: ApiRequest): Promise<unknown> {
  const filters = { view: 'alerts', sinceMs: options.nowMs() - maxHours * hourMs } as const
  return { rows: objects(await ask(options, { filters, limit: limitOf(params), signal })) }
}

function parseRecord(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString())
  } catch {
    return undefined
  }
}

async function record({ engine, tenants }: ApiOptions, { path, signal }: ApiRequest): Promise<unknown> {
  const id = decodeURIComponent(path.slice('/api/records/'.length))
  const shown = await engine.show(id, { signal, ...(tenants && { tenants }) })
  if (shown === undefined) throw new AppError('NOT_FOUND', `There is no record ${id.slice(0, 100)}.`)
  const { topic, tenant, raw, evidence } = shown
  return { topic, tenant, record: parseRecord(raw), raw: raw.toString(), evidence }
}

function sqlOf(body: string): string {
  const parsed: unknown = JSON.parse(body)
  if (typeof parsed === 'object' && parsed !== null && 'sql' in parsed && typeof parsed.sql === 'string') {
    return parsed.sql
  }
  throw new AppError('QUERY_INVALID', 'The request has no "sql".')
}

async function query(options: ApiOptions, { body, signal }: ApiRequest): Promise<unknown> {
  return ask(options, { sql: sqlOf(body), limit: maxLimit, signal })
}

type Handler = (options: ApiOptions, request: ApiRequest) => Promise<unknown>

const handlers: Readonly<Record<string, Handler>> = {
  'GET /api/calls': calls,
  'GET /api/summary': summary,
  'GET /api/alerts': alerts,
  'GET /api/verify': async ({ verify }, { signal }) => verify(signal),
  'POST /api/query': query,
}

/** Answers one request. Throws `NOT_FOUND`, `QUERY_INVALID`, `QUERY_LIMIT`, or what the archive throws. */
export async function answerApi(options: ApiOptions, request: ApiRequest): Promise<unknown> {
  const { method, path } = request
  const isRecord = method === 'GET' && path.startsWith('/api/records/')
  const handler = isRecord ? record : handlers[`${method} ${path}`]
  if (handler === undefined) throw new AppError('NOT_FOUND', `There is no ${method} ${path.slice(0, 100)}.`)
  return handler(options, request)
}
