import { AppError } from '@muniment/schema'
import { createLaneTracker, type LaneTracker } from './format/lanes.ts'
import {
  manifestBytes,
  parseManifest,
  sha256Hex,
  type CommittedManifest,
  type Manifest,
  type StoredObject,
} from './format/manifest.ts'
import { manifestKey, type CutRange } from './format/paths.ts'
import { mergeRanges, type Range } from './format/ranges.ts'
import type { SegmentKeys } from '@muniment/keys'
import { moveBodies } from './bodies.ts'
import {
  dayMs,
  lockedUntil,
  longestRetentionDays,
  retentionOf,
  type Retention,
  type RetentionOptions,
} from './retention.ts'
import { keyContext } from './keys.ts'
import { readManifest } from './manifests.ts'
import { storeSegments, type StoredSegments } from './objects.ts'
import { rowScanner } from './parquet/write.ts'
import { keyAll, sealTogether, type ArchivedRow, type SealContext } from './segments.ts'
import type { Store } from './store/store.ts'

/** One record as it came from the bus. */
export interface CutRecord {
  readonly offset: number
  /** Kept to the byte; not changed by anybody until the cut is written. */
  readonly value: Uint8Array
  /** When the bus took it, milliseconds since the epoch. */
  readonly appendedMs: number
}

/** All records of one partition from where `previous` ends up to `nextOffset`. */
interface Cut {
  readonly topic: string
  readonly partition: number
  /** In ascending order of offsets. */
  readonly records: readonly CutRecord[]
  /** First offset that is not part of the cut. */
  readonly nextOffset: number
  /** The newest manifest of the partition; `undefined` only where there is none. */
  readonly previous: CommittedManifest | undefined
}

/** Whether the cut is in the archive, or another archiver's is: then go on from `manifest`, which is theirs. */
export interface CutResult {
  readonly kind: 'committed' | 'lost'
  readonly manifest: CommittedManifest
}

/** What a cut writer works with. */
export interface CutWriterOptions extends RetentionOptions {
  readonly store: Store
  readonly keys: SegmentKeys
  readonly now: () => number
  readonly randomBytes: (length: number) => Buffer
  /** A tenant with as many records in a cut gets an object of its own. */
  readonly ownObjectRows?: number
  /** Bodies of as many bytes lie in objects of their own; default 256 KiB. */
  readonly largeBodyBytes?: number
  /** How long a silent lane is remembered; longer than the bus keeps what events are made from. */
  readonly laneMemoryMs?: number
}

/** Writes cuts: segments and leaf hashes first, then the manifest, whose creation is the commit. */
export interface CutWriter {
  readonly write: (cut: Cut) => Promise<CutResult>
}

const defaultOwnObjectRows = 1000
/** So that whoever reads the other records does not read it. */
const defaultLargeBodyBytes = 256 * 1024
const defaultLaneMemoryMs = 2 * dayMs

interface Group {
  readonly rows: ArchivedRow[]
  minMs: number
  maxMs: number
}

/** The records of a cut that the archive does not have yet, by tenant. */
interface Sorted {
  readonly groups: ReadonlyMap<string, Group>
  readonly archived: number
}

function sortRecords(cut: Cut, tracker: LaneTracker): Sorted {
  const groups = new Map<string, Group>()
  let archived = 0
  const { places, scan } = rowScanner(cut.topic)
  const spans = new Int32Array(cut.records.length * places.stride)
  for (const [index, { offset, value }] of cut.records.entries()) {
    const target = { spans, base: index * places.stride }
    const { tenant, timeMs, place } = scan(value, target)
    if (!tracker.accept(place)) continue
    archived += 1
    let group = groups.get(tenant)
    if (group === undefined) {
      group = { rows: [], minMs: Infinity, maxMs: -Infinity }
      groups.set(tenant, group)
    }
    group.rows.push({ raw: value, offset, spans: target })
    if (timeMs !== undefined) {
      group.minMs = Math.min(group.minMs, timeMs)
      group.maxMs = Math.max(group.maxMs, timeMs)
    }
  }
  return { groups, archived }
}

type Span = { readonly min_ms: number; readonly max_ms: number } | null

function spanOf(minMs: number, maxMs: number): Span {
  return minMs <= maxMs ? { min_ms: minMs, max_ms: maxMs } : null
}

function joinSpans(spans: readonly Span[]): Span {
  const known = spans.filter(span => span !== null)
  return spanOf(
    known.reduce((min, span) => Math.min(min, span.min_ms), Infinity),
    known.reduce((max, span) => Math.max(max, span.max_ms), -Infinity),
  )
}

function appendSpan(records: readonly CutRecord[]): Span {
  let min = Infinity
  let max = -Infinity
  for (const { appendedMs } of records) {
    min = Math.min(min, Math.floor(appendedMs))
    max = Math.max(max, Math.floor(appendedMs))
  }
  return spanOf(min, max)
}

function firstOffset(cut: Cut): number {
  return cut.previous?.manifest.next_offset ?? 0
}

function assertOrder(cut: Cut): void {
  let next = firstOffset(cut)
  for (const { offset } of cut.records) {
    if (offset < next) {
      throw new AppError('INVALID_INPUT', `record ${offset} of ${cut.topic}/${cut.partition} is out of order`)
    }
    next = offset + 1
  }
  if (cut.nextOffset < next || cut.nextOffset <= firstOffset(cut)) {
    throw new AppError(
      'INVALID_INPUT',
      `a cut of ${cut.topic}/${cut.partition} cannot end at ${cut.nextOffset}`,
    )
  }
}

function holesIn(cut: Cut): readonly Range[] {
  const holes: Range[] = []
  let next = firstOffset(cut)
  for (const { offset } of [...cut.records, { offset: cut.nextOffset }]) {
    if (offset > next) holes.push([next, offset - 1])
    next = offset + 1
  }
  return mergeRanges(holes)
}

interface Working {
  readonly cut: Cut
  readonly options: CutWriterOptions
  readonly tracker: LaneTracker
  readonly sealedMs: number
}

function cutRange(cut: Cut): CutRange {
  return { topic: cut.topic, partition: cut.partition, first: firstOffset(cut), next: cut.nextOffset }
}

function sealContext({ cut, options }: Working): SealContext {
  const { keys, randomBytes } = options
  const { topic, partition, nextOffset: next_offset } = cut
  const bound = keyContext({ topic, partition, first_offset: firstOffset(cut), next_offset })
  return { topic, bound, keys, randomBytes }
}

async function storeGroups(
  working: Working,
  groups: ReadonlyMap<string, Group>,
  retention: (tenant: string) => Retention,
): Promise<StoredSegments> {
  const { cut, sealedMs, options } = working
  const { store, ownObjectRows = defaultOwnObjectRows } = options
  const context = sealContext(working)
  const inputs = [...groups].map(([tenant, { rows, minMs, maxMs }]) => ({
    tenant,
    rows,
    time: spanOf(minMs, maxMs),
  }))
  return await storeSegments(store, {
    cut: cutRange(cut),
    tenants: await keyAll(inputs, context),
    seal: tenants => sealTogether(tenants, context),
    timeMs: cut.records[0]?.appendedMs ?? sealedMs,
    sealedMs,
    ownObjectRows,
    retentionOf: retention,
  })
}

/** Everything of a cut that is in the store. */
interface Stored extends StoredSegments {
  readonly bodies: readonly StoredObject[]
}

function buildManifest(working: Working, sorted: Sorted, stored: Stored): Manifest {
  const { cut, tracker, sealedMs } = working
  const { lanes, watermarks, recentIds } = tracker
  return {
    v: 1,
    topic: cut.topic,
    partition: cut.partition,
    first_offset: firstOffset(cut),
    next_offset: cut.nextOffset,
    previous: cut.previous?.sha256 ?? null,
    clocks: {
      event: joinSpans(stored.segments.map(({ time }) => time)),
      append: appendSpan(cut.records),
      sealed_ms: sealedMs,
    },
    counts: {
      read: cut.records.length,
      archived: sorted.archived,
      duplicates: cut.records.length - sorted.archived,
    },
    holes: holesIn(cut),
    lanes: lanes(),
    watermarks: watermarks(),
    recent_ids: recentIds(),
    objects: stored.objects,
    ...(stored.bodies.length > 0 && { bodies: stored.bodies }),
    segments: stored.segments,
  }
}

/** Creates the manifest at its position; whoever is there already has won. */
async function commit(store: Store, manifest: Manifest, retainUntil: Date | undefined): Promise<CutResult> {
  const key = manifestKey(manifest.topic, manifest.partition, manifest.first_offset)
  const bytes = manifestBytes(manifest)
  // What is committed can never be mended: nothing that a reader would refuse may become a manifest.
  parseManifest(key, bytes)
  const lock = retainUntil === undefined ? {} : { retainUntil }
  const result = await store.put({ key, bytes, ifTaken: 'refuse', ...lock })
  if (result.kind === 'taken') return { kind: 'lost', manifest: await readManifest(store, key) }
  const { version } = result
  return { kind: 'committed', manifest: { key, version, sha256: sha256Hex(bytes), manifest } }
}

async function writeCut(working: Working): Promise<CutResult> {
  const { cut, options, tracker, sealedMs } = working
  const { store, keys, largeBodyBytes = defaultLargeBodyBytes } = options
  const { topic } = cut
  const retention = (tenant: string): Retention => retentionOf(options, { topic, tenant })
  const sorted = sortRecords(cut, tracker)
  const bodies = await moveBodies(
    { store, keys, topic, sealedMs, retentionOf: retention, largerThan: largeBodyBytes },
    sorted.groups,
  )
  const stored = await storeGroups(working, sorted.groups, retention)
  const manifest = buildManifest(working, sorted, { ...stored, bodies })
  return commit(store, manifest, lockedUntil(sealedMs, longestRetentionDays(options)))
}

/** Creates a cut writer; it holds no state between cuts, so any number may work on one archive. */
export function createCutWriter(options: CutWriterOptions): CutWriter {
  const { now, laneMemoryMs = defaultLaneMemoryMs } = options
  return {
    async write(cut) {
      assertOrder(cut)
      const sealedMs = Math.floor(now())
      const { watermarks = [], recent_ids: recentIds = [] } = cut.previous?.manifest ?? {}
      const tracker = createLaneTracker({ watermarks, recentIds }, { nowMs: sealedMs, laneMemoryMs })
      return writeCut({ cut, options, tracker, sealedMs })
    },
  }
}
