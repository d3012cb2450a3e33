import type { KeyObject } from 'node:crypto'
import { isAppError } from '@muniment/schema'
import { describeRecord } from '../format/describe.ts'
import { filterValues, holdsAll } from '../format/filter.ts'
import type { Place } from '../format/lanes.ts'
import { sha256Hex, type CommittedManifest, type Segment, type StoredObject } from '../format/manifest.ts'
import { hashBytes, leafHashes, rootOf } from '../format/merkle.ts'
import { countRanges } from '../format/ranges.ts'
import { keyContext, type SegmentOpener } from '../keys.ts'
import { readManifest } from '../manifests.ts'
import { bufferSource, openParquet, type ParquetReader } from '../parquet/read.ts'
import type { Store } from '../store/store.ts'
import { noFindings, type CutPosition, type Finding, type FindingCode, type Findings } from './report.ts'

/** What checking one manifest and its objects needs. */
export interface CutContext {
  readonly store: Store
  readonly keys: SegmentOpener | undefined
  readonly signal: AbortSignal | undefined
}

/** One manifest, checked by itself. */
export interface CheckedCut extends Findings {
  readonly key: string
  /** `undefined` where it could not be read. */
  readonly committed: CommittedManifest | undefined
  /** Places of the records, where contents were checked. */
  readonly places: readonly Place[] | undefined
  readonly bytes: number
  readonly records: number
  readonly openings: readonly Opening[]
}

/** Whether a segment's key was held. */
export interface Opening {
  readonly tenant: string
  readonly isOpen: boolean
  readonly object: string
  readonly range: CutPosition
  readonly sealedMs: number
}

interface Working extends Findings {
  readonly context: CutContext
  readonly committed: CommittedManifest
  readonly places: Place[]
  readonly openings: Opening[]
  bytes: number
  records: number
  /** Whether every record's bytes were seen. */
  hasContents: boolean
}

/** The offsets a manifest covers. */
export function positionOf({ manifest }: CommittedManifest): CutPosition {
  const { topic, partition, first_offset, next_offset } = manifest
  return { topic, partition, first_offset, next_offset }
}

/** An object and what is wrong with it. */
interface Fault {
  readonly object: string
  readonly reason: string
}

function report(working: Working, code: FindingCode, fault: Fault): void {
  working.problems.push({ code, ...fault, range: positionOf(working.committed) })
}

async function fetchObject(working: Working, object: StoredObject): Promise<Buffer | undefined> {
  const { store, signal } = working.context
  const { key, version } = object
  const bytes = await store.get(key, { version, ...(signal === undefined ? {} : { signal }) })
  if (bytes === undefined) {
    report(working, 'object.missing', { object: key, reason: `version ${version} is not in the store` })
    return undefined
  }
  working.bytes += bytes.length
  if (bytes.length !== object.size_bytes) {
    const reason = `has ${bytes.length} bytes instead of ${object.size_bytes}`
    report(working, 'object.altered', { object: key, reason })
  } else if (sha256Hex(bytes) !== object.sha256) {
    report(working, 'object.altered', { object: key, reason: 'does not have the SHA-256 in its manifest' })
  }
  return bytes
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
  const reader = await openParquet(bufferSource(part.bytes), dataKey, segment.footer_bytes)
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

interface SegmentPart {
  readonly key: string
  readonly bytes: Buffer
  readonly leaves: Buffer
}

function checkSegment(working: Working, segment: Segment, part: SegmentPart): void {
  const { key, bytes, leaves } = part
  if (sha256Hex(bytes) !== segment.sha256) {
    report(working, 'segment.altered', {
      object: key,
      reason: `the segment of ${segment.tenant} has another SHA-256`,
    })
  }
  if (rootOf(leaves).toString('hex') !== segment.root) {
    const reason = `the leaf hashes of ${segment.tenant} do not give the root in the manifest`
    report(working, 'tree.altered', { object: key, reason })
  }
  working.records += segment.rows
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
      working.notes.push({
        code: 'segment.erased',
        object: part.key,
        reason,
        range: positionOf(working.committed),
      })
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

type DataObject = CommittedManifest['manifest']['objects'][number]

/** Segments must fill their object, and their leaf hashes the tree object, without gap or overlap. */
async function checkObject(
  working: Working,
  object: DataObject,
  segments: readonly Segment[],
): Promise<void> {
  const [bytes, leaves] = await Promise.all([fetchObject(working, object), fetchObject(working, object.tree)])
  if (bytes === undefined || leaves === undefined) return
  let at = 0
  let leafAt = 0
  for (const segment of segments) {
    if (segment.start !== at) {
      report(working, 'object.layout', {
        object: object.key,
        reason: `a segment starts at ${segment.start}, not ${at}`,
      })
    }
    const leafEnd = leafAt + segment.rows * hashBytes
    const part = {
      key: object.key,
      bytes: bytes.subarray(segment.start, segment.start + segment.size_bytes),
      leaves: leaves.subarray(leafAt, leafEnd),
    }
    checkSegment(working, segment, part)
    await checkContents(working, segment, part)
    at = segment.start + segment.size_bytes
    leafAt = leafEnd
  }
  if (at !== object.size_bytes || leafAt !== object.tree.size_bytes) {
    report(working, 'object.layout', { object: object.key, reason: 'its segments do not fill it' })
  }
}

function checkCounts(working: Working): void {
  const { manifest, key } = working.committed
  const { counts, holes, first_offset, next_offset } = manifest
  const rows = manifest.segments.reduce((sum, segment) => sum + segment.rows, 0)
  const isWhole = counts.read + countRanges(holes) === next_offset - first_offset
  if (rows !== counts.archived || counts.archived + counts.duplicates !== counts.read || !isWhole) {
    report(working, 'manifest.counts', { object: key, reason: 'its counts do not add up' })
  }
}

async function checkObjects(working: Working): Promise<void> {
  const { objects, segments } = working.committed.manifest
  for (const [index, object] of objects.entries()) {
    await checkObject(
      working,
      object,
      segments.filter(segment => segment.object === index),
    )
  }
  if (segments.some(segment => segment.object >= objects.length)) {
    const reason = 'a segment refers to an object that is not listed'
    report(working, 'object.layout', { object: working.committed.key, reason })
  }
}

async function readChecked(
  context: CutContext,
  at: { key: string; version: string },
): Promise<CommittedManifest | Finding> {
  try {
    return await readManifest(context.store, at.key, at.version)
  } catch (error) {
    if (!isAppError(error, 'ARCHIVE_DAMAGED')) throw error
    return { code: 'manifest.malformed', object: at.key, reason: error.message }
  }
}

/** Reads one manifest and checks everything it says about its objects. */
export async function checkCut(
  context: CutContext,
  at: { key: string; version: string },
): Promise<CheckedCut> {
  const read = await readChecked(context, at)
  if ('code' in read) {
    const nothing = { committed: undefined, places: undefined, bytes: 0, records: 0, openings: [] }
    return { ...noFindings(), key: at.key, ...nothing, problems: [read] }
  }
  const working: Working = {
    ...noFindings(),
    context,
    committed: read,
    places: [],
    openings: [],
    bytes: 0,
    records: 0,
    hasContents: true,
  }
  checkCounts(working)
  await checkObjects(working)
  const { problems, notes, committed, bytes, records, openings } = working
  const places = working.hasContents && context.keys !== undefined ? working.places : undefined
  return { key: at.key, committed, problems, notes, places, bytes, records, openings }
}
