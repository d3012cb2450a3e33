import { damaged } from './damaged.ts'
import { assertFooterKey } from './footer.ts'
import { chunkSpan, fields, maxOrdinals, type ChunkSpan } from './metadata.ts'
import { child, children, int, optionalBytes, optionalInt, type ThriftStruct } from './thrift.ts'

/** A top-level column: its subtree in the schema and its leaves in the row groups' column lists. */
export interface SchemaColumn {
  readonly name: string
  readonly elements: readonly ThriftStruct[]
  readonly firstLeaf: number
  readonly leafCount: number
}

/** Bounds of a chunk's values as stored: string bounds may be cut, compare them as bytes. */
export interface Bounds {
  readonly min: Buffer | undefined
  readonly max: Buffer | undefined
  readonly nulls: number | undefined
}

/** One leaf column of one row group. */
export interface Chunk extends ChunkSpan {
  readonly raw: ThriftStruct
  readonly meta: ThriftStruct
}

/** One row group. */
export interface RowGroup {
  readonly raw: ThriftStruct
  readonly ordinal: number
  readonly rows: number
  readonly chunks: readonly Chunk[]
}

function nameOf(element: ThriftStruct): string {
  const name = optionalBytes(element, fields.schemaElement.name)
  if (name === undefined) throw damaged('PARQUET_MALFORMED', 'a column has no name')
  return name.toString()
}

/** Length of the subtree at `index` and the leaves in it. */
function subtree(elements: readonly ThriftStruct[], index: number): { length: number; leaves: number } {
  let open = 1
  let leaves = 0
  let at = index
  while (open > 0) {
    const element = elements[at]
    if (element === undefined) throw damaged('PARQUET_MALFORMED', 'the schema ends too early')
    const below = optionalInt(element, fields.schemaElement.children) ?? 0
    if (below === 0) leaves += 1
    open += below - 1
    at += 1
  }
  return { length: at - index, leaves }
}

/** The top-level columns of a file. */
export function columnsOf(metadata: ThriftStruct): readonly SchemaColumn[] {
  const elements = children(metadata, fields.file.schema)
  const columns: SchemaColumn[] = []
  let firstLeaf = 0
  for (let at = 1; at < elements.length;) {
    const { length, leaves } = subtree(elements, at)
    const own = elements.slice(at, at + length)
    const head = own[0]
    if (head === undefined) break
    columns.push({ name: nameOf(head), elements: own, firstLeaf, leafCount: leaves })
    firstLeaf += leaves
    at += length
  }
  return columns
}

function chunkOf(raw: ThriftStruct): Chunk {
  assertFooterKey(raw)
  const meta = child(raw, fields.chunk.meta)
  return { raw, meta, ...chunkSpan(meta) }
}

/** The row groups of a file, in order. */
export function rowGroupsOf(metadata: ThriftStruct): readonly RowGroup[] {
  const groups = children(metadata, fields.file.rowGroups)
  if (groups.length > maxOrdinals) throw damaged('PARQUET_PROFILE', 'too many row groups')
  return groups.map((raw, ordinal) => {
    const rows = int(raw, fields.rowGroup.rows)
    // Chunks without rows may lie nowhere.
    const chunks = rows === 0 ? [] : children(raw, fields.rowGroup.columns).map(chunkOf)
    return { raw, ordinal, rows, chunks }
  })
}

/** What the footer says about a chunk's values. */
export function boundsOf(chunk: Chunk): Bounds | undefined {
  if (!chunk.meta.has(fields.column.statistics)) return undefined
  const statistics = child(chunk.meta, fields.column.statistics)
  return {
    max: optionalBytes(statistics, 5),
    min: optionalBytes(statistics, 6),
    nulls: optionalInt(statistics, 3),
  }
}
