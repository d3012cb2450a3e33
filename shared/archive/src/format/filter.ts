import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import type { Segment } from './manifest.ts'

/** Columns whose values a segment's filter holds; of `pii_types` each kind by itself. */
export const filterColumns = ['principal_id', 'target', 'session_id', 'outcome', 'pii_types'] as const

/** A column that filters know. */
export type FilterColumn = (typeof filterColumns)[number]

/** A value of a column, as one text. */
function filterValue(column: FilterColumn, value: string): string {
  return `${column}\0${value}`
}

const bitsPerValue = 10
const probes = 7
/** Above as many values a filter costs more than the segments that it spares. */
const maxFilterValues = 4096
const minBytes = 8

/** The key follows from the segment's own: nobody without it learns a value, and what is the same in two segments looks different. */
function filterKey(dataKey: KeyObject): KeyObject {
  // Bytes as a key would cost each hash several times as much as itself.
  return createSecretKey(createHmac('sha256', dataKey).update('muniment/filter/v1').digest())
}

/** Where a value's bits are in a filter of so many: Kirsch and Mitzenmacher's two hashes for seven. */
function positionsOf(key: KeyObject, value: string, bits: number): readonly number[] {
  const hash = createHmac('sha256', key).update(value).digest()
  const [first, second] = [hash.readUInt32BE(0), hash.readUInt32BE(4)]
  return Array.from({ length: probes }, (_, probe) => (first + probe * second) % bits)
}

/** What filters are made from: the columns of a segment as queries see them, before or after it was written. */
interface Columns {
  readonly columns: readonly string[]
  readonly rowGroups: readonly unknown[]
  readonly distinct: (column: string, rowGroup: number) => ReadonlySet<string> | Promise<ReadonlySet<string>>
}

async function columnValues(reader: Columns, column: FilterColumn, rowGroup: number): Promise<string[]> {
  const values = [...(await reader.distinct(column, rowGroup))]
  const parts = column === 'pii_types' ? values.flatMap(value => value.split(',')) : values
  return parts.map(part => filterValue(column, part))
}

/** Every value that a segment's filter holds; none where it lacks one of the columns. */
export async function filterValues(reader: Columns): Promise<ReadonlySet<string>> {
  const values = new Set<string>()
  if (!filterColumns.every(column => reader.columns.includes(column))) return values
  for (const ordinal of reader.rowGroups.keys()) {
    for (const column of filterColumns)
      for (const value of await columnValues(reader, column, ordinal)) values.add(value)
  }
  return values
}

/** The filter over all values of a segment's records; `undefined` where there are none or too many. */
export function createFilter(values: ReadonlySet<string>, dataKey: KeyObject): string | undefined {
  if (values.size === 0 || values.size > maxFilterValues) return undefined
  const bytes = Buffer.alloc(Math.max(minBytes, Math.ceil((values.size * bitsPerValue) / 8)))
  const key = filterKey(dataKey)
  for (const value of values) {
    for (const at of positionsOf(key, value, bytes.length * 8)) {
      bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (1 << (at & 7))
    }
  }
  return bytes.toString('base64url')
}

/** What is asked of a segment: whether a record has this value there. */
export interface FilterQuestion {
  readonly column: FilterColumn
  readonly value: string
}

function holds(bytes: Buffer, key: KeyObject, value: string): boolean {
  return positionsOf(key, value, bytes.length * 8).every(
    at => ((bytes[at >> 3] ?? 0) & (1 << (at & 7))) !== 0,
  )
}

/** Whether a segment's filter has all these values, as it must where they are its records'. */
export function holdsAll(
  { filter }: Pick<Segment, 'filter'>,
  dataKey: KeyObject,
  values: ReadonlySet<string>,
): boolean {
  if (filter === undefined) return true
  const bytes = Buffer.from(filter, 'base64url')
  const key = filterKey(dataKey)
  return values.values().every(value => holds(bytes, key, value))
}

/**
 * Whether a segment may hold a record with this value. `false` is certain; `true` is wrong for about one segment in a hundred, and where the segment
 * has no filter. The data key is the one that opens the segment.
 */
export function mightHold(
  segment: Pick<Segment, 'filter'>,
  dataKey: KeyObject,
  { column, value }: FilterQuestion,
): boolean {
  return holdsAll(segment, dataKey, new Set([filterValue(column, value)]))
}
