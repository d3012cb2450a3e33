/** A column of a base table: its name and DuckDB type. */
export interface Column {
  readonly name: string
  readonly type: string
}

/** The process's bounds; the parent bounds its input, and kills it when its time is over. */
export interface SandboxLimits {
  readonly memoryMb: number
  readonly threads: number
  readonly maxRows: number
  readonly maxOutputBytes: number
  readonly timeoutMs: number
}

/** A Parquet file with rows of one base table. */
export interface DataFile {
  readonly table: string
  /** Its number in this query. */
  readonly file: number
  /** `false` for rows that are on the bus only. */
  readonly isArchived: boolean
}

/** Rows as JSON, or pieces of one Parquet file as base64, each a row of the one column `parquet`. */
export type Output = 'rows' | 'parquet'

/** Parent to child, each followed by a payload of bytes (empty except for `data`). */
export type Request =
  | {
      readonly type: 'plan'
      readonly sql: string
      readonly limits: SandboxLimits
      readonly output: Output
    }
  /** Bytes of a file of `table`; chunks with the same `file` belong together. */
  | ({ readonly type: 'data' } & DataFile)
  | { readonly type: 'run' }

/** One base table as the query uses it. */
export interface Scan {
  readonly table: string
  readonly columns: readonly string[]
  /** Conditions of the scan as DuckDB prints them; hints for pruning, the query applies them itself. */
  readonly filters: readonly string[]
}

/** One value of a result, as JSON. */
export type Value = null | boolean | number | string | readonly Value[] | { readonly [key: string]: Value }

/** Child to parent, one JSON object a line. */
export type Reply =
  | { readonly type: 'planned'; readonly scans: readonly Scan[] }
  | { readonly type: 'columns'; readonly columns: readonly Column[] }
  | { readonly type: 'rows'; readonly rows: readonly (readonly Value[])[] }
  | { readonly type: 'end'; readonly truncated: boolean; readonly count: number }
  | { readonly type: 'failed'; readonly code: 'QUERY_INVALID' | 'QUERY_LIMIT'; readonly message: string }

const headBytes = 8

/** A request as bytes: two u32 little-endian lengths, the JSON, the payload. */
export function encodeRequest(request: Request, payload: Uint8Array = new Uint8Array()): Buffer {
  const json = Buffer.from(JSON.stringify(request))
  const head = Buffer.alloc(headBytes)
  head.writeUInt32LE(json.length, 0)
  head.writeUInt32LE(payload.length, 4)
  return Buffer.concat([head, json, payload])
}

/** Splits a byte stream into requests. The stream comes from our own parent process, so its shape is trusted. */
export async function* decodeRequests(
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly request: Request; readonly payload: Buffer }> {
  let pending: Buffer[] = []
  let size = 0
  let needed = headBytes
  for await (const chunk of chunks) {
    pending.push(chunk)
    size += chunk.length
    if (size < needed) continue
    let bytes = Buffer.concat(pending)
    for (;;) {
      needed = frameBytes(bytes)
      if (bytes.length < needed) break
      yield splitFrame(bytes)
      bytes = bytes.subarray(needed)
    }
    pending = [bytes]
    size = bytes.length
  }
}

function frameBytes(bytes: Buffer): number {
  return bytes.length < headBytes ? headBytes : headBytes + bytes.readUInt32LE(0) + bytes.readUInt32LE(4)
}

function splitFrame(bytes: Buffer): { readonly request: Request; readonly payload: Buffer } {
  const jsonEnd = headBytes + bytes.readUInt32LE(0)
  const request: Request = JSON.parse(bytes.toString('utf8', headBytes, jsonEnd))
  return { request, payload: bytes.subarray(jsonEnd, jsonEnd + bytes.readUInt32LE(4)) }
}
