import type { Archive, ParquetReader } from '@muniment/archive'
import { AppError, isAppError } from '@muniment/schema'
import type { SegmentEntry } from './catalogue.ts'
import type { Hints } from './hints.ts'

/** What to take out of segments. */
export interface FetchOptions {
  readonly archive: Archive
  readonly entries: readonly SegmentEntry[]
  /** Columns of the table; a segment may have fewer. */
  readonly columns: readonly string[]
  readonly hints: Hints
  readonly signal: AbortSignal
  /** Takes a small plain Parquet file; called for several segments at once. */
  readonly onFile: (bytes: Buffer) => Promise<void>
  /** Called when a segment has been read. */
  readonly onRead: (entry: SegmentEntry) => void
  /** A segment of a tenant whose key was destroyed, or one that was removed after its retention. */
  readonly onErased: () => void
}

/** Segments fetched at the same time: round trips overlap, memory stays bounded. */
const concurrency = 16

/** A bound as long as this may be cut off, and a cut upper bound is too low. */
const maxExactBoundBytes = 255

function microsOf(bound: Buffer | undefined): number | undefined {
  return bound?.length === 8 ? Number(bound.readBigInt64LE(0)) / 1000 : undefined
}

type Group = ParquetReader['rowGroups'][number]

function isInTime(group: Group, { fromMs = -Infinity, toMs = Infinity }: Hints): boolean {
  const bounds = group.bounds('time')
  const [min, max] = [microsOf(bounds?.min), microsOf(bounds?.max)]
  return (max === undefined || max >= fromMs) && (min === undefined || min <= toMs)
}

function mayEqual(group: Group, column: string, value: Buffer): boolean {
  const { min, max } = group.bounds(column) ?? {}
  if (min !== undefined && Buffer.compare(value, min) < 0) return false
  return max === undefined || max.length >= maxExactBoundBytes || Buffer.compare(value, max) <= 0
}

/** Text columns whose bounds are compared as bytes. */
function mayMatch(reader: ParquetReader, group: Group, hints: Hints): boolean {
  if (reader.columns.includes('time') && !isInTime(group, hints)) return false
  const known = [...hints.equal].filter(([column]) => reader.columns.includes(column))
  return known.every(([column, value]) => mayEqual(group, column, Buffer.from(value)))
}

async function openUnlessErased(
  { archive, signal, onErased }: FetchOptions,
  { manifest, segment }: SegmentEntry,
): Promise<ParquetReader | undefined> {
  try {
    return await archive.openSegment(manifest, segment, signal)
  } catch (error) {
    if (!isAppError(error, 'KEY_UNKNOWN') && !isAppError(error, 'RETENTION_ENDED')) throw error
    onErased()
    return undefined
  }
}

async function fetchOne(options: FetchOptions, entry: SegmentEntry): Promise<void> {
  const reader = await openUnlessErased(options, entry)
  if (reader === undefined) return
  const groups = reader.rowGroups.flatMap((group, ordinal) =>
    mayMatch(reader, group, options.hints) ? [ordinal] : [],
  )
  if (groups.length === 0) return
  const wanted = reader.columns.filter(column => options.columns.includes(column))
  // A query that only counts rows still needs a column to count.
  const columns = wanted.length > 0 ? wanted : ['partition_offset']
  await options.onFile(await reader.extract({ columns, rowGroups: groups }))
}

/** Fetches what the query needs of each segment. Throws `ARCHIVE_DAMAGED` for altered bytes. */
export async function fetchSegments(options: FetchOptions): Promise<void> {
  const queue = options.entries.values()
  const work = async (): Promise<void> => {
    for (const entry of queue) {
      if (options.signal.aborted) throw new AppError('QUERY_LIMIT', 'The query was cancelled.')
      await fetchOne(options, entry)
      options.onRead(entry)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
}
