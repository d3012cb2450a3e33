import type { Chunk, RowGroup, SchemaColumn } from './layout.ts'
import { fields, plainMagic } from './metadata.ts'
import type { Page } from './pages.ts'
import {
  children,
  int,
  serializeThrift,
  structList,
  withFields,
  type ThriftField,
  type ThriftStruct,
} from './thrift.ts'

/** A row group's decrypted pages, one list for each kept leaf column. */
export interface OpenGroup {
  readonly group: RowGroup
  readonly chunks: readonly { readonly chunk: Chunk; readonly pages: readonly Page[] }[]
}

interface Output {
  readonly parts: Buffer[]
  offset: number
}

function i64(value: number): ThriftField {
  return { type: 'i64', value }
}

function push(output: Output, bytes: Buffer): void {
  output.parts.push(bytes)
  output.offset += bytes.length
}

function writeChunk(output: Output, chunk: Chunk, pages: readonly Page[]): ThriftStruct {
  const { column } = fields
  const start = output.offset
  let dataPage: number | undefined
  for (const page of pages) {
    if (!page.isDictionary) dataPage ??= output.offset
    const plainSize: ThriftField = { type: 'i32', value: page.body.length }
    push(output, serializeThrift(withFields(page.header, { [fields.page.compressedBytes]: plainSize })))
    push(output, page.body)
  }
  const bytes = output.offset - start
  const shrunk = int(chunk.meta, column.compressedBytes) - bytes
  const changes: Record<number, ThriftField | undefined> = {
    [column.bytes]: i64(Math.max(0, int(chunk.meta, column.bytes) - shrunk)),
    [column.compressedBytes]: i64(bytes),
    [column.dataPage]: i64(dataPage ?? start),
    [column.dictionaryPage]: chunk.hasDictionary ? i64(start) : undefined,
  }
  for (const id of [column.indexPage, ...column.bloom]) changes[id] = undefined
  const chunkChanges: Record<number, ThriftField | undefined> = {
    [fields.chunk.offset]: i64(0),
    [fields.chunk.meta]: { type: 'struct', value: withFields(chunk.meta, changes) },
  }
  for (const id of [...fields.chunk.indexes, fields.chunk.crypto]) chunkChanges[id] = undefined
  return withFields(chunk.raw, chunkChanges)
}

function writeGroup(output: Output, open: OpenGroup, ordinal: number): ThriftStruct {
  const start = output.offset
  const chunks = open.chunks.map(({ chunk, pages }) => writeChunk(output, chunk, pages))
  return withFields(open.group.raw, {
    [fields.rowGroup.columns]: structList(chunks),
    [fields.rowGroup.sorting]: undefined,
    [fields.rowGroup.offset]: i64(start),
    [fields.rowGroup.compressedBytes]: i64(output.offset - start),
    [fields.rowGroup.ordinal]: { type: 'i16', value: ordinal },
  })
}

function project(metadata: ThriftStruct, columns: readonly SchemaColumn[]): ThriftField {
  const [root] = children(metadata, fields.file.schema)
  const width: ThriftField = { type: 'i32', value: columns.length }
  const head = withFields(root ?? new Map(), { [fields.schemaElement.children]: width })
  return structList([head, ...columns.flatMap(column => column.elements)])
}

/** `column_orders` has one entry per leaf. */
function projectOrders(metadata: ThriftStruct, columns: readonly SchemaColumn[]): ThriftField | undefined {
  const orders = metadata.get(7)
  if (orders?.type !== 'list') return undefined
  const items = columns.flatMap(column =>
    orders.items.slice(column.firstLeaf, column.firstLeaf + column.leafCount),
  )
  return { ...orders, items }
}

/** A plain Parquet file with the given columns and row groups; pages are copied, not encoded again. */
export function rebuildParquet(
  metadata: ThriftStruct,
  columns: readonly SchemaColumn[],
  groups: readonly OpenGroup[],
): Buffer {
  const output: Output = { parts: [plainMagic], offset: plainMagic.length }
  const written = groups.map((group, ordinal) => writeGroup(output, group, ordinal))
  const footer = serializeThrift(
    withFields(metadata, {
      [fields.file.schema]: project(metadata, columns),
      [fields.file.rowCount]: i64(groups.reduce((sum, open) => sum + open.group.rows, 0)),
      [fields.file.rowGroups]: structList(written),
      7: projectOrders(metadata, columns),
      [fields.file.encryption]: undefined,
      [fields.file.signingKey]: undefined,
    }),
  )
  const tail = Buffer.alloc(4)
  tail.writeUInt32LE(footer.length)
  return Buffer.concat([...output.parts, footer, tail, plainMagic])
}
