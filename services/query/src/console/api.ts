import { AppError } from '@muniment/schema'
import type { QueryFigures } from '../engine/contract.ts'
import { questionSchema, readInput } from '../service/questions.ts'
import type { Caller, QueryService } from '../service/service.ts'
import type { Value } from '../sandbox/protocol.ts'

/** What the API answers from. */
export interface ApiOptions {
  readonly service: QueryService
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

/** Whoever has the console's address runs this process, or was told by who does. */
const operator: Caller = {}

async function ask({ service }: ApiOptions, question: unknown, signal: AbortSignal): Promise<Answer> {
  await using result = await service.query(operator, readInput(questionSchema, question), signal)
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

function sinceOf(options: ApiOptions, params: URLSearchParams): string {
  const hours = numberParam(params, 'hours', { fallback: 24, max: maxHours })
  return new Date(options.nowMs() - hours * hourMs).toISOString()
}

function limitOf(params: URLSearchParams): number {
  return Math.floor(numberParam(params, 'limit', { fallback: 100, max: maxLimit }))
}

async function calls(options: ApiOptions, { params, signal }: ApiRequest): Promise<unknown> {
  const text = (name: string): string | undefined => params.get(name) ?? undefined
  const filters = {
    since: sinceOf(options, params),
    ...(params.get('kind') === 'all' ? {} : { except_kind: 'heartbeat' }),
    outcome: text('outcome'),
    target: text('target'),
    principal: text('principal'),
    pii: text('pii'),
  }
  const answer = await ask(options, { filters, limit: limitOf(params) }, signal)
  return { rows: objects(answer), figures: answer.figures }
}

async function summary(options: ApiOptions, { params, signal }: ApiRequest): Promise<unknown> {
  const since = sinceOf(options, params)
  const sql = `SELECT kind, outcome, pii_types, archived, count(*) AS calls FROM events WHERE time >= TIMESTAMPTZ '${since}' GROUP BY ALL ORDER BY calls DESC LIMIT 500`
  return { groups: objects(await ask(options, { sql, limit: maxLimit }, signal)) }
}

async function alerts(options: ApiOptions, { params, signal }: ApiRequest): Promise<unknown> {
  const filters = { view: 'alerts', since: `${maxHours}h` }
  return { rows: objects(await ask(options, { filters, limit: limitOf(params) }, signal)) }
}

function parseRecord(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString())
  } catch {
    return undefined
  }
}

async function record({ service }: ApiOptions, { path, signal }: ApiRequest): Promise<unknown> {
  const id = decodeURIComponent(path.slice('/api/records/'.length))
  const shown = await service.show(operator, id, signal)
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
  return ask(options, { sql: sqlOf(body), limit: maxLimit }, signal)
}

type Handler = (options: ApiOptions, request: ApiRequest) => Promise<unknown>

const handlers: Readonly<Record<string, Handler>> = {
  'GET /api/calls': calls,
  'GET /api/summary': summary,
  'GET /api/alerts': alerts,
  'GET /api/verify': async ({ service }) => await service.report(),
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
