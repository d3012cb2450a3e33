import type { Compressed, CompressedPage } from './compress.ts'
import type { Physical } from './encode.ts'
import { plainMagic } from './metadata.ts'
import { serializeThrift, structList, type ThriftField, type ThriftStruct } from './thrift.ts'

/** A column as the file's schema has it; all are optional. */
export interface SchemaEntry {
  readonly name: string
  readonly physical: Physical
}

/** A file that grows by row groups. */
export interface PlainFile {
  readonly schema: readonly SchemaEntry[]
  readonly parts: Buffer[]
  readonly groups: ThriftStruct[]
  offset: number
  rows: number
}

const physicalType: Readonly<Record<Physical, number>> = {
  flag: 0,
  whole: 2,
  real: 5,
  time: 2,
  text: 6,
  bytes: 6,
}
const converted: Partial<Readonly<Record<Physical, number>>> = { text: 0, time: 10, whole: 18 }
const optional = 1
const encoding = { plain: 0, levels: 3, dictionary: 8 }
/** Numbers of compressions. */
export const codec = { none: 0, zstd: 6 }
const pageType = { data: 0, dictionary: 2 }
// Readers look for a version and a build here, to know whose mistakes to expect.
const createdBy = 'muniment version 1.0.0 (build 1)'

function i32(value: number): ThriftField {
  return { type: 'i32', value }
}

function i64(value: number): ThriftField {
  return { type: 'i64', value }
}

function binary(value: Buffer | string): ThriftField {
  return { type: 'binary', value: Buffer.from(value) }
}

function struct(...fields: readonly (readonly [number, ThriftField | undefined])[]): ThriftStruct {
  return new Map(fields.flatMap(([id, field]) => (field === undefined ? [] : [[id, field] as const])))
}

function inside(value: ThriftStruct): ThriftField {
  return { type: 'struct', value }
}

export function createPlainFile(schema: readonly SchemaEntry[]): PlainFile {
  return { schema, parts: [plainMagic], groups: [], offset: plainMagic.length, rows: 0 }
}

function push(file: PlainFile, bytes: Buffer): void {
  file.parts.push(bytes)
  file.offset += bytes.length
}

function pageHeader({ bytes, plainBytes }: CompressedPage, kind: PageKind): ThriftStruct {
  return struct(
    [1, i32(kind.type)],
    [2, i32(plainBytes)],
    [3, i32(bytes.length)],
    [kind.field, inside(kind.header)],
  )
}

/** The header of a page of values without a dictionary. */
export function plainPageHeader(page: CompressedPage): ThriftStruct {
  return pageHeader(page, dataKind(page, false))
}

/** Adds a page; returns how long it is without compression, its header included. */
function pushPage(file: PlainFile, page: CompressedPage, kind: PageKind): number {
  const header = serializeThrift(pageHeader(page, kind))
  push(file, header)
  push(file, page.bytes)
  return header.length + page.plainBytes
}

interface PageKind {
  readonly type: number
  /** Under which its own header stands in the page's. */
  readonly field: number
  readonly header: ThriftStruct
}

function dataKind(page: CompressedPage, hasDictionary: boolean): PageKind {
  const header = struct(
    [1, i32(page.values)],
    [2, i32(hasDictionary ? encoding.dictionary : encoding.plain)],
    [3, i32(encoding.levels)],
    [4, i32(encoding.levels)],
  )
  return { type: pageType.data, field: 5, header }
}

function dictionaryKind(page: CompressedPage): PageKind {
  const header = struct([1, i32(page.values)], [2, i32(encoding.plain)])
  return { type: pageType.dictionary, field: 7, header }
}

function statistics({ bounds, nulls }: Compressed): ThriftField {
  const [min, max] = [bounds?.min, bounds?.max]
  const exact: ThriftField | undefined = bounds === undefined ? undefined : { type: 'bool', value: true }
  return inside(
    struct(
      [3, i64(nulls)],
      [5, max === undefined ? undefined : binary(max)],
      [6, min === undefined ? undefined : binary(min)],
      [7, exact],
      [8, exact],
    ),
  )
}

interface Written {
  readonly start: number
  readonly dataPage: number
  readonly plainBytes: number
}

function pushPages(file: PlainFile, { dictionary, pages }: Compressed): Written {
  const start = file.offset
  let plainBytes = dictionary === undefined ? 0 : pushPage(file, dictionary, dictionaryKind(dictionary))
  const dataPage = file.offset
  for (const page of pages) plainBytes += pushPage(file, page, dataKind(page, dictionary !== undefined))
  return { start, dataPage, plainBytes }
}

function pushChunk(file: PlainFile, { name, physical }: SchemaEntry, chunk: Compressed): ThriftStruct {
  const { start, dataPage, plainBytes } = pushPages(file, chunk)
  const hasDictionary = start !== dataPage
  const encodings = [hasDictionary ? encoding.dictionary : encoding.plain, encoding.levels]
  const meta = struct(
    [1, i32(physicalType[physical])],
    [2, { type: 'list', of: 5, items: encodings.map(i32) }],
    [3, { type: 'list', of: 8, items: [binary(name)] }],
    [4, i32(chunk.isZstd ? codec.zstd : codec.none)],
    [5, i64(chunk.rows)],
    [6, i64(plainBytes)],
    [7, i64(file.offset - start)],
    [9, i64(dataPage)],
    [11, hasDictionary ? i64(start) : undefined],
    [12, statistics(chunk)],
  )
  return struct([2, i64(0)], [3, inside(meta)])
}

/** Adds a row group: a chunk for each column of the schema. */
export function addRowGroup(file: PlainFile, chunks: readonly Compressed[]): void {
  const start = file.offset
  const columns = file.schema.flatMap((entry, index) => {
    const chunk = chunks[index]
    return chunk === undefined ? [] : [pushChunk(file, entry, chunk)]
  })
  const rows = chunks[0]?.rows ?? 0
  const bytes = file.offset - start
  file.rows += rows
  const group = [structList(columns), i64(bytes), i64(rows), i64(start), i64(bytes)] as const
  file.groups.push(struct([1, group[0]], [2, group[1]], [3, group[2]], [5, group[3]], [6, group[4]]))
}

function schemaElement({ name, physical }: SchemaEntry): ThriftStruct {
  const kind = converted[physical]
  const isUtc: ThriftField = { type: 'bool', value: true }
  const microseconds = inside(struct([2, inside(struct())]))
  const timestamp = inside(struct([8, inside(struct([1, isUtc], [2, microseconds]))]))
  return struct(
    [1, i32(physicalType[physical])],
    [3, i32(optional)],
    [4, binary(name)],
    [6, kind === undefined ? undefined : i32(kind)],
    [10, physical === 'time' ? timestamp : undefined],
  )
}

/** The whole file. */
export function finish(file: PlainFile): Buffer {
  const { schema, groups, rows, parts } = file
  const root = struct([4, binary('segment')], [5, i32(schema.length)])
  const typeOrder = struct([1, inside(struct())])
  const footer = serializeThrift(
    struct(
      [1, i32(1)],
      [2, structList([root, ...schema.map(schemaElement)])],
      [3, i64(rows)],
      [4, structList(groups)],
      [6, binary(createdBy)],
      [7, structList(schema.map(() => typeOrder))],
    ),
  )
  const tail = Buffer.alloc(4)
  tail.writeUInt32LE(footer.length)
  return Buffer.concat([...parts, footer, tail, plainMagic])
}
