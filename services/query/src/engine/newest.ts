import { topic } from '@muniment/schema'
import type { Value } from '../sandbox/protocol.ts'
import type { EngineContext, QueryFigures, QueryRequest, QueryResult } from './contract.ts'
import { sqlOf, type Filters } from './request.ts'
import { runQuery } from './run.ts'

/** A question for the newest rows that meet some conditions. */
export interface NewestRequest extends Omit<QueryRequest, 'sql'> {
  readonly filters: Filters
  readonly limit: number
}

/** Rows that are looked at first, and how much further each next look goes. */
const firstRows = 4000
const growth = 16

const topics = { events: topic.events, audit: topic.events, alerts: topic.alerts, control: topic.control }

interface Look {
  readonly result: Pick<QueryResult, 'columns'>
  readonly rows: readonly (readonly Value[])[]
  readonly figures: QueryFigures
}

async function look(context: EngineContext, request: NewestRequest, sinceMs: number): Promise<Look> {
  const { filters, limit } = request
  await using result = await runQuery(context, { ...request, sql: sqlOf({ ...filters, sinceMs }, limit) })
  const rows: (readonly Value[])[] = []
  for await (const row of result.rows) rows.push(row)
  return { result, rows, figures: result.figures() }
}

async function* yieldAll<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values
}

function answerOf({ result, rows, figures }: Look): QueryResult {
  return {
    columns: result.columns,
    rows: yieldAll(rows),
    figures: () => figures,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/**
 * Looks at the newest segments first, and further back only where they do not have enough rows: people ask for the last
 * few of very many.
 */
export async function runNewest(context: EngineContext, request: NewestRequest): Promise<QueryResult> {
  const { filters, limit, tenants } = request
  const { view = 'events' } = filters
  const catalogue = await context.catalogue(request.signal ?? new AbortController().signal)
  const oldestMs = filters.sinceMs ?? -Infinity
  for (let rows = Math.max(firstRows, limit * 4); ; rows *= growth) {
    const fromMs = catalogue.sinceNewest({ topic: topics[view], tenants }, rows)
    if (fromMs === undefined || fromMs <= oldestMs)
      return runQuery(context, { ...request, sql: sqlOf(filters, limit) })
    const found = await look(context, request, fromMs)
    if (found.figures.rows >= limit || found.figures.isTruncated) return answerOf(found)
  }
}
