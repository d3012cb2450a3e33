import { AppError } from '@muniment/schema'
import { sha256Hex, type Segment, type StoredObject } from './format/manifest.ts'
import { bundleKey, segmentKey, treeKey, type CutRange } from './format/paths.ts'
import { inOrder } from './in-order.ts'
import { lockedUntil, type Retention } from './retention.ts'
import type { SealedSegment } from './segments.ts'
import type { Store } from './store/store.ts'

/** A data object, its leaf hashes and the segments in it. */
interface DataObject {
  readonly key: string
  readonly retainUntil: Date | undefined
  readonly segments: readonly SealedSegment[]
}

/** Segments and where they are to lie. */
export interface Placement {
  readonly cut: CutRange
  readonly segments: readonly SealedSegment[]
  /** Groups keys for people and life-cycle rules. */
  readonly timeMs: number
  readonly sealedMs: number
  readonly ownObjectRows: number
  readonly retentionOf: (tenant: string) => Retention
}

/** What of the manifest describes the stored objects. */
export interface StoredSegments {
  readonly objects: readonly (StoredObject & { readonly tree: StoredObject })[]
  readonly segments: readonly Segment[]
}

/**
 * Tenants with few records share one object for each retention class, so that a cut costs a handful of requests whatever their number. What is kept
 * for different times cannot share: an object is locked as a whole.
 */
function placeSegments(placement: Placement): readonly DataObject[] {
  const { cut, segments, timeMs, sealedMs, ownObjectRows, retentionOf } = placement
  const bundles = new Map<string, DataObject & { readonly segments: SealedSegment[] }>()
  const own: DataObject[] = []
  for (const segment of segments) {
    const { tenant, rows } = segment.entry
    const { name, days } = retentionOf(tenant)
    const retainUntil = lockedUntil(sealedMs, days)
    const isAlone = segments.length === 1 || rows >= ownObjectRows
    if (isAlone) own.push({ key: segmentKey(cut, tenant, timeMs), retainUntil, segments: [segment] })
    else {
      const bundle = bundles.get(name) ?? { key: bundleKey(cut, name, timeMs), retainUntil, segments: [] }
      bundle.segments.push(segment)
      bundles.set(name, bundle)
    }
  }
  return [...own, ...bundles.values()]
}

/** Stores an object, beside others of its key; the same bytes are stored once. */
export async function putObject(store: Store, key: string, content: Content): Promise<StoredObject> {
  const { bytes, retainUntil } = content
  const lock = retainUntil === undefined ? {} : { retainUntil }
  const result = await store.put({ key, bytes, ifTaken: 'beside', ...lock })
  if (result.kind === 'taken')
    throw new AppError('STORE_CONFLICT', `the store would not keep ${key} beside another`)
  const kept = retainUntil === undefined ? {} : { retain_until_ms: retainUntil.getTime() }
  return { key, version: result.version, sha256: sha256Hex(bytes), size_bytes: bytes.length, ...kept }
}

/** One buffer; without a copy where there is only one. */
function join(parts: readonly Buffer[]): Buffer {
  const [only] = parts
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts)
}

/** What an object is to hold, and how long. */
export interface Content {
  readonly bytes: Buffer
  readonly retainUntil: Date | undefined
}

type PlacedObject = StoredSegments['objects'][number]

/** Data first: leaf hashes without their data would be nobody's. */
async function storeObject(store: Store, object: DataObject): Promise<PlacedObject> {
  const { key, segments, retainUntil } = object
  const bytes = join(segments.map(segment => segment.bytes))
  const leaves = join(segments.map(segment => segment.leaves))
  const data = await putObject(store, key, { bytes, retainUntil })
  const tree = await putObject(store, treeKey(key), { bytes: leaves, retainUntil })
  return { ...data, tree }
}

/** How many objects of a cut are stored at the same time. */
export const uploadsAtOnce = 4

/** Stores the segments of a cut; nothing refers to them until the manifest does. */
export async function storeSegments(store: Store, placement: Placement): Promise<StoredSegments> {
  const placed = placeSegments(placement)
  const objects: PlacedObject[] = []
  const work = (object: DataObject): Promise<PlacedObject> => storeObject(store, object)
  for await (const object of inOrder(placed, uploadsAtOnce, work)) objects.push(object)
  return { objects, segments: placed.flatMap(({ segments }, object) => entriesOf(segments, object)) }
}

function entriesOf(segments: readonly SealedSegment[], object: number): readonly Segment[] {
  let start = 0
  return segments.map(({ entry }) => {
    const placed = { ...entry, object, start }
    start += entry.size_bytes
    return placed
  })
}
