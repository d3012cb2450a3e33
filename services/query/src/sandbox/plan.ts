import type { DuckDBConnection } from '@duckdb/node-api'
import type { Scan } from './protocol.ts'

interface PlanNode {
  readonly name?: string
  readonly extra_info?: Readonly<Record<string, unknown>>
  readonly children?: readonly PlanNode[]
}

function texts(value: unknown): readonly string[] {
  if (typeof value === 'string') return value === '' ? [] : [value]
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : []
}

function* scansOf(
  nodes: readonly PlanNode[],
  columnsOf: ReadonlyMap<string, readonly string[]>,
): Generator<Scan> {
  for (const { extra_info: info = {}, children = [] } of nodes) {
    const table = texts(info['Table'])[0]
      ?.replace(/^.*\./u, '')
      .replace(/^empty_/u, '')
    const known = table === undefined ? undefined : columnsOf.get(table)
    if (table !== undefined && known !== undefined) {
      const filters = texts(info['Filters'])
      const projected = new Set(texts(info['Projections']))
      // A column that only a filter names is not projected; a name inside a string literal merely fetches too much.
      const used = known.filter(name => projected.has(name) || filters.some(text => mentions(text, name)))
      yield { table, columns: used, filters }
    }
    yield* scansOf(children, columnsOf)
  }
}

function mentions(text: string, column: string): boolean {
  const at = text.indexOf(column)
  if (at < 0) return false
  return !/\w/u.test(text[at + column.length] ?? ' ') || mentions(text.slice(at + 1), column)
}

/** What `sql` reads, by DuckDB's own plan over the empty tables: columns and conditions per scan. */
export async function planQuery(
  connection: DuckDBConnection,
  sql: string,
  columnsOf: ReadonlyMap<string, readonly string[]>,
): Promise<readonly Scan[]> {
  // With the first two, a filter over an empty table becomes an empty result and the plan no longer says what is read; with the
  // third, a table is scanned twice, which files are not.
  await connection.run(
    "SET disabled_optimizers='statistics_propagation,empty_result_pullup,late_materialization'",
  )
  const reader = await connection.runAndReadAll(`EXPLAIN (FORMAT json) ${sql}`)
  await connection.run('RESET disabled_optimizers')
  const json = reader.getRowsJson()[0]?.[1]
  const plan: unknown = typeof json === 'string' ? JSON.parse(json) : []
  return Array.isArray(plan) ? [...scansOf(plan, columnsOf)] : []
}
