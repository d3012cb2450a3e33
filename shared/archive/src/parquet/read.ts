import type { KeyObject } from 'node:crypto'
import { AppError } from '@muniment/schema'
import { damaged } from './damaged.ts'
import { decodeByteStrings, distinctByteStrings } from './decode.ts'
import { footerBytesOf, openFooter, splitFooter, type OpenFooter } from './footer.ts'
import {
  boundsOf,
  columnsOf,
  rowGroupsOf,
  type Bounds,
  type Chunk,
  type RowGroup,
  type SchemaColumn,
} from './layout.ts'
import { openPages } from './pages.ts'
import { rebuildParquet, type OpenGroup } from './rebuild.ts'
import { replaceBytes } from './replace.ts'

/** Bytes of one encrypted file, wherever they lie. */
export interface ByteSource {
  readonly sizeBytes: number
  /** Bytes `start` to `end`, `end` excluded. */
  readonly read: (start: number, end: number) => Promise<Buffer>
}

/** What to take out of a file. */
interface Selection {
  /** Top-level column names; all where left out. */
  readonly columns?: readonly string[]
  /** Ordinals of row groups; all where left out. */
  readonly rowGroups?: readonly number[]
  /** Other values for the column `raw` in whole row groups, by their ordinals. */
  readonly raws?: ReadonlyMap<number, readonly Buffer[]>
}

/** An encrypted Parquet file whose footer has been authenticated. */
export interface ParquetReader {
  readonly rowCount: number
  readonly columns: readonly string[]
  readonly rowGroups: readonly {
    readonly rows: number
    readonly bounds: (column: string) => Bounds | undefined
  }[]
  /** A small plain Parquet file with the selected part, for a query engine. */
  readonly extract: (selection: Selection) => Promise<Buffer>
  /** The values of a byte-string column in one row group, in order. */
  readonly values: (column: string, rowGroup: number) => Promise<readonly (Buffer | undefined)[]>
  /** Every value of a byte-string column in one row group, once. */
  readonly distinct: (column: string, rowGroup: number) => Promise<ReadonlySet<string>>
  /** The exact bytes of the records of one row group, in order. */
  readonly rawGroup: (rowGroup: number) => Promise<readonly Buffer[]>
  /** The exact bytes of one record. */
  readonly rawAt: (rowGroup: number, row: number) => Promise<Buffer | undefined>
  /** The exact bytes of every record, in order, one row group after the other. */
  readonly rawRows: () => AsyncIterable<Buffer>
}

/** Ranges closer than this are fetched as one. */
const mergeGapBytes = 128 * 1024

interface Wanted {
  readonly group: RowGroup
  readonly leaf: number
  readonly chunk: Chunk
}

interface Fetched {
  readonly start: number
  readonly bytes: Buffer
}

function mergeRanges(wanted: readonly Wanted[]): readonly { start: number; end: number }[] {
  const sorted = wanted.map(({ chunk }) => chunk).toSorted((a, b) => a.start - b.start)
  const ranges: { start: number; end: number }[] = []
  for (const { start, end } of sorted) {
    const last = ranges.at(-1)
    if (last !== undefined && start <= last.end + mergeGapBytes) last.end = Math.max(last.end, end)
    else ranges.push({ start, end })
  }
  return ranges
}

async function fetchAll(source: ByteSource, wanted: readonly Wanted[]): Promise<readonly Fetched[]> {
  if (wanted.some(({ chunk }) => chunk.end > source.sizeBytes)) {
    throw damaged('PARQUET_MALFORMED', 'a column chunk lies outside the file')
  }
  const ranges = mergeRanges(wanted)
  return Promise.all(ranges.map(async ({ start, end }) => ({ start, bytes: await source.read(start, end) })))
}

function slice(fetched: readonly Fetched[], chunk: Chunk): Buffer {
  const found = fetched.find(({ start, bytes }) => start <= chunk.start && chunk.end <= start + bytes.length)
  if (found === undefined) throw damaged('PARQUET_MALFORMED', 'the store returned fewer bytes than asked for')
  return found.bytes.subarray(chunk.start - found.start, chunk.end - found.start)
}

function chunkAt(group: RowGroup, leaf: number): Chunk {
  const chunk = group.chunks[leaf]
  if (chunk === undefined) throw damaged('PARQUET_MALFORMED', 'a row group has too few columns')
  return chunk
}

function leavesOf(columns: readonly SchemaColumn[]): readonly number[] {
  return columns.flatMap(({ firstLeaf, leafCount }) =>
    Array.from({ length: leafCount }, (_, at) => firstLeaf + at),
  )
}

async function readFooter(source: ByteSource, footerBytes: number | undefined): Promise<Buffer> {
  const size = source.sizeBytes
  const length = footerBytes ?? footerBytesOf(await source.read(Math.max(0, size - 12), size))
  if (length > size) throw damaged('PARQUET_MALFORMED', 'footer is longer than the file')
  return source.read(size - length, size)
}

interface File {
  readonly source: ByteSource
  readonly footer: OpenFooter
  readonly columns: readonly SchemaColumn[]
  readonly groups: readonly RowGroup[]
}

async function openGroups(
  file: File,
  columns: readonly SchemaColumn[],
  groups: readonly RowGroup[],
): Promise<OpenGroup[]> {
  const leaves = leavesOf(columns)
  const filled = groups.filter(({ rows }) => rows > 0)
  const wanted = filled.flatMap(group => leaves.map(leaf => ({ group, leaf, chunk: chunkAt(group, leaf) })))
  const fetched = await fetchAll(file.source, wanted)
  return filled.map(group => ({
    group,
    chunks: leaves.map(leaf => {
      const chunk = chunkAt(group, leaf)
      const place = { chunk, rowGroup: group.ordinal, column: leaf, bytes: slice(fetched, chunk) }
      return { chunk, pages: openPages(file.footer.context, place) }
    }),
  }))
}

function columnNamed(file: File, name: string): SchemaColumn {
  const column = file.columns.find(candidate => candidate.name === name)
  if (column === undefined) throw new AppError('INVALID_INPUT', `the segment has no column ${name}`)
  return column
}

function groupAt(file: File, ordinal: number): RowGroup {
  const group = file.groups[ordinal]
  if (group === undefined) throw new AppError('INVALID_INPUT', `the segment has no row group ${ordinal}`)
  return group
}

async function withRaws(
  open: OpenGroup,
  rawChunk: number,
  raws: readonly Buffer[] | undefined,
): Promise<OpenGroup> {
  const own = open.chunks[rawChunk]
  if (raws === undefined || own === undefined) return open
  return { group: open.group, chunks: open.chunks.with(rawChunk, await replaceBytes(own.chunk, raws)) }
}

async function extract(file: File, selection: Selection): Promise<Buffer> {
  const { columns: names, rowGroups, raws } = selection
  const columns = names === undefined ? file.columns : file.columns.filter(({ name }) => names.includes(name))
  const groups = rowGroups?.map(ordinal => groupAt(file, ordinal)) ?? file.groups
  const open = await openGroups(file, columns, groups)
  if (raws === undefined) return rebuildParquet(file.footer.metadata, columns, open)
  const rawChunk = leavesOf(columns).indexOf(columnNamed(file, 'raw').firstLeaf)
  const replaced: OpenGroup[] = []
  for (const group of open) replaced.push(await withRaws(group, rawChunk, raws.get(group.group.ordinal)))
  return rebuildParquet(file.footer.metadata, columns, replaced)
}

async function values(file: File, name: string, ordinal: number): Promise<readonly (Buffer | undefined)[]> {
  const group = groupAt(file, ordinal)
  const [open] = await openGroups(file, [columnNamed(file, name)], [group])
  const leaf = open?.chunks[0]
  const decoded = leaf === undefined ? [] : decodeByteStrings(leaf.chunk, leaf.pages)
  if (decoded.length !== group.rows)
    throw damaged('PARQUET_MALFORMED', 'a row group has too few or too many values')
  return decoded
}

async function distinct(file: File, name: string, ordinal: number): Promise<ReadonlySet<string>> {
  const [open] = await openGroups(file, [columnNamed(file, name)], [groupAt(file, ordinal)])
  const leaf = open?.chunks[0]
  return leaf === undefined ? new Set() : distinctByteStrings(leaf.chunk, leaf.pages)
}

async function rawGroup(file: File, ordinal: number): Promise<readonly Buffer[]> {
  const raws = await values(file, 'raw', ordinal)
  return raws.map(raw => {
    if (raw === undefined) throw damaged('PARQUET_MALFORMED', 'a record has no bytes')
    return raw
  })
}

async function* rawRows(file: File): AsyncGenerator<Buffer> {
  for (const { ordinal } of file.groups) yield* await rawGroup(file, ordinal)
}

/** Opens an encrypted Parquet file; `footerBytes`, where known, saves a request. */
export async function openParquet(
  source: ByteSource,
  key: KeyObject,
  footerBytes?: number,
): Promise<ParquetReader> {
  const keyBytes = key.symmetricKeySize
  if (keyBytes !== 32 && keyBytes !== 16) throw damaged('PME_KEY', `a key of ${keyBytes} bytes`)
  const sealed = splitFooter(await readFooter(source, footerBytes))
  const footer = openFooter(sealed, key)
  const columns = columnsOf(footer.metadata)
  const groups = rowGroupsOf(footer.metadata)
  const file = { source, footer, columns, groups }
  const bounds = (group: RowGroup, name: string): Bounds | undefined =>
    group.rows === 0 ? undefined : boundsOf(chunkAt(group, columnNamed(file, name).firstLeaf))
  return {
    rowCount: groups.reduce((sum, group) => sum + group.rows, 0),
    columns: columns.map(({ name }) => name),
    rowGroups: groups.map(group => ({ rows: group.rows, bounds: name => bounds(group, name) })),
    extract: selection => extract(file, selection),
    values: (column, rowGroup) => values(file, column, rowGroup),
    distinct: (column, rowGroup) => distinct(file, column, rowGroup),
    rawGroup: ordinal => rawGroup(file, ordinal),
    rawAt: async (ordinal, row) => (await values(file, 'raw', ordinal))[row],
    rawRows: () => rawRows(file),
  }
}

/** A source over bytes already in memory. */
export function bufferSource(bytes: Buffer): ByteSource {
  return { sizeBytes: bytes.length, read: (start, end) => Promise.resolve(bytes.subarray(start, end)) }
}
