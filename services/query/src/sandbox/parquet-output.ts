import type { DuckDBConnection } from '@duckdb/node-api'
import type { PrivateFiles } from './files.ts'
import type { SandboxLimits } from './protocol.ts'

/** The number of the file that holds the answer; those of rows are not negative. */
const answerFile = -1
const pieceBytes = 384 * 1024

/** What came of writing the answer. */
export interface ParquetAnswer {
  readonly count: number
  readonly isTruncated: boolean
  /** Base64, one piece after the other. */
  readonly pieces: Iterable<string>
}

interface Writing {
  readonly sql: string
  readonly limits: SandboxLimits
  readonly files: PrivateFiles
}

function* piecesOf(bytes: Buffer): Generator<string> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.toString('base64', at, at + pieceBytes)
}

/** Runs a query into a Parquet file that only this process can see. */
export async function writeParquetAnswer(
  connection: DuckDBConnection,
  { sql, limits, files }: Writing,
): Promise<ParquetAnswer> {
  const { maxRows, maxOutputBytes } = limits
  files.append(answerFile, new Uint8Array())
  // As a statement of its own, so that whatever stands at the end of the query cannot reach into ours.
  await connection.run(`CREATE TEMP VIEW muniment_answer AS ${sql}`)
  const rows = `SELECT * FROM muniment_answer LIMIT ${maxRows}`
  const copy = `COPY (${rows}) TO '${files.path(answerFile)}' (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)`
  const reader = await connection.runAndReadAll(copy)
  const count = Number(reader.getRows()[0]?.[0] ?? 0)
  const bytes = files.read(answerFile)
  if (bytes.length > maxOutputBytes)
    throw new Error('Out of Memory Error: the answer is larger than its limit')
  return { count, isTruncated: count === maxRows, pieces: piecesOf(bytes) }
}
