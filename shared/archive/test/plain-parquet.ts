import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Rows that a query engine finds in a plain Parquet file. */
export async function query(parquet: Buffer, sql: string): Promise<unknown[][]> {
  const folder = await mkdtemp(join(tmpdir(), 'muniment-test-'))
  try {
    const path = join(folder, 'small.parquet')
    await writeFile(path, parquet)
    const { DuckDBInstance } = await import('@duckdb/node-api')
    const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
    const result = await connection.runAndReadAll(`WITH file AS (FROM read_parquet('${path}')) ${sql}`)
    return result.getRows()
  } finally {
    await rm(folder, { recursive: true, maxRetries: 10 })
  }
}
