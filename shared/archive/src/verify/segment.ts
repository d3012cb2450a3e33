import type { KeyObject } from 'node:crypto'
import { isAppError } from '@muniment/schema'
import { bodiesOf, noSuchBody, withBodies } from '../whole-records.ts'
import { describeRecord } from '../format/describe.ts'
import { filterValues, holdsAll } from '../format/filter.ts'
import { sha256Hex, type Segment } from '../format/manifest.ts'
import { hashBytes, leafHashes, rootOf } from '../format/merkle.ts'
import { keyContext } from '../keys.ts'
import { bufferSource, openParquet, type ParquetReader } from '../parquet/read.ts'
import { positionOf, report, type Working } from './cut-working.ts'

/** The bytes of a segment and its leaf hashes. */
interface SegmentPart {
  readonly key: string
  readonly bytes: Buffer
  readonly leaves: Buffer
}

/** Compares the records of one row group with their leaf hashes. */
function checkLeaves(
  working: Working,
  part: SegmentPart,
  group: { first: number; raws: readonly Buffer[] },
): void {
  const { first, raws } = group
  const expected = part.leaves.subarray(first * hashBytes, (first + raws.length) * hashBytes)
  const actual = leafHashes(raws)
  if (actual.equals(expected)) return
  for (const row of raws.keys()) {
    const [from, to] = [row * hashBytes, (row + 1) * hashBytes]
    if (actual.subarray(from, to).equals(expected.subarray(from, to))) continue
    const reason = `record ${first + row} does not match its leaf hash`
    report(working, 'row.altered', { object: part.key, reason })
  }
}

/** What the records of a segment say of themselves. */
interface Contents {
  minMs: number
  maxMs: number
}

function checkPlaces(
  working: Working,
  segment: Segment,
  group: { key: string; raws: readonly Buffer[]; contents: Contents },
): void {
  const { topic } = working.committed.manifest
  const { contents } = group
  for (const raw of group.raws) {
    const { tenant, place, timeMs } = describeRecord(topic, raw)
    working.places.push(place)
    contents.minMs = Math.min(contents.minMs, timeMs ?? Infinity)
    contents.maxMs = Math.max(contents.maxMs, timeMs ?? -Infinity)
    if (tenant === segment.tenant) continue
    report(working, 'row.tenant', {
      object: group.key,
      reason: `a record is not of tenant ${segment.tenant}`,
    })
  }
}

interface Opened {
  readonly dataKey: KeyObject
  readonly reader: ParquetReader
}

/** Times and filter decide which segments a query opens: wrong ones would hide records. */
async function checkIndex(
  working: Working,
  segment: Segment,
  { key, dataKey, reader, contents }: Opened & { readonly key: string; readonly contents: Contents },
): Promise<void> {
  const { minMs, maxMs } = contents
  const isTimed = minMs <= maxMs
  const isTrue = isTimed
    ? segment.time?.min_ms === minMs && segment.time.max_ms === maxMs
    : segment.time === null
  if (!isTrue) {
    const reason = `the times of the segment of ${segment.tenant} are not those of its records`
    report(working, 'segment.index', { object: key, reason })
  }
  if (holdsAll(segment, dataKey, await filterValues(reader))) return
  const reason = `the filter of the segment of ${segment.tenant} lacks values of its records`
  report(working, 'segment.index', { object: key, reason })
}

/** Decrypts a segment and checks every record. */
async function checkRows(working: Working, segment: Segment, part: SegmentPart): Promise<void> {
  const { keys } = working.context
  if (keys === undefined) return
  const { manifest } = working.committed
  const dataKey = await keys.openDataKey(segment.tenant, keyContext(manifest), segment.wrapped_key)
  const file = await openParquet(bufferSource(part.bytes), dataKey, segment.footer_bytes)
  const bodies = bodiesOf(manifest, segment.tenant)
  const reader = withBodies(file, async name => {
    const body = bodies.has(name) ? working.bodies.get(name) : undefined
    if (body === undefined) throw noSuchBody(name)
    working.usedBodies.add(name)
    return await Promise.resolve(body)
  })
  const contents: Contents = { minMs: Infinity, maxMs: -Infinity }
  let rows = 0
  for (const ordinal of reader.rowGroups.keys()) {
    const raws = await reader.rawGroup(ordinal)
    checkLeaves(working, part, { first: rows, raws })
    checkPlaces(working, segment, { key: part.key, raws, contents })
    rows += raws.length
  }
  await checkIndex(working, segment, { key: part.key, dataKey, reader, contents })
  if (rows !== segment.rows) {
    report(working, 'rows.count', {
      object: part.key,
      reason: `has ${rows} records instead of ${segment.rows}`,
    })
  }
}

function checkBytes(working: Working, segment: Segment, { key, bytes }: Omit<SegmentPart, 'leaves'>): void {
  if (sha256Hex(bytes) === segment.sha256) return
  const reason = `the segment of ${segment.tenant} has another SHA-256`
  report(working, 'segment.altered', { object: key, reason })
}

function checkTree(working: Working, segment: Segment, { key, leaves }: Omit<SegmentPart, 'bytes'>): void {
  if (rootOf(leaves).toString('hex') === segment.root) return
  const reason = `the leaf hashes of ${segment.tenant} do not give the root in the manifest`
  report(working, 'tree.altered', { object: key, reason })
}

/** Whatever is there of a segment against the manifest, and its records against its leaf hashes. */
export async function checkPart(
  working: Working,
  segment: Segment,
  part: { readonly key: string; readonly bytes: Buffer | undefined; readonly leaves: Buffer | undefined },
): Promise<void> {
  const { key, bytes, leaves } = part
  if (bytes !== undefined) checkBytes(working, segment, { key, bytes })
  if (leaves !== undefined) checkTree(working, segment, { key, leaves })
  working.records += segment.rows
  if (bytes !== undefined && leaves !== undefined)
    await checkContents(working, segment, { key, bytes, leaves })
}

/** Contents that cannot be opened are a problem, unless the tenant's key was destroyed on purpose. */
async function checkContents(working: Working, segment: Segment, part: SegmentPart): Promise<void> {
  if (working.context.keys === undefined) {
    working.hasContents = false
    return
  }
  const { tenant } = segment
  const { sealed_ms: sealedMs } = working.committed.manifest.clocks
  const opening = { tenant, object: part.key, range: positionOf(working.committed), sealedMs }
  try {
    await checkRows(working, segment, part)
    working.openings.push({ ...opening, isOpen: true })
  } catch (error) {
    working.hasContents = false
    if (isAppError(error, 'KEY_UNKNOWN')) {
      working.openings.push({ ...opening, isOpen: false })
      const reason = `tenant ${segment.tenant} is erased: ${segment.rows} records, position proven`
      working.notes.push({ code: 'segment.erased', object: part.key, reason, range: opening.range })
      return
    }
    // Whoever verifies with the keys of some segments knows nothing of the others': they are neither erased nor lost.
    if (isAppError(error, 'KEY_NOT_GIVEN')) {
      const reason = `no key was given for the segment of ${tenant}: ${segment.rows} records, hashes only`
      working.notes.push({ code: 'segment.closed', object: part.key, reason, range: opening.range })
      return
    }
    if (isAppError(error, 'KEY_WRONG')) {
      const reason = `${error.message} Nothing is erased by that: these are not the keys of this archive`
      report(working, 'segment.locked-out', { object: part.key, reason })
      return
    }
    if (!isAppError(error, 'ARCHIVE_DAMAGED')) throw error
    report(working, 'segment.unreadable', { object: part.key, reason: error.message })
  }
}
