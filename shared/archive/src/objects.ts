import { AppError } from '@muniment/schema'
import { sha256Hex, type Segment, type StoredObject } from './format/manifest.ts'
import { bundleKey, segmentKey, treeKey, type CutRange } from './format/paths.ts'
import { inOrder } from './in-order.ts'
import type { SealedSegment } from './segments.ts'
import type { Store } from './store/store.ts'

/** A data object, its leaf hashes and the segments in it. */
interface DataObject {
  readonly key: string
  readonly segments: readonly SealedSegment[]
}

/** Segments and where they are to lie. */
export interface Placement {
  readonly cut: CutRange
  readonly segments: readonly SealedSegment[]
  /** Groups keys for people and life-cycle rules. */
  readonly timeMs: number
  readonly ownObjectRows: number
}

/** What of the manifest describes the stored objects. */
export interface StoredSegments {
  readonly objects: readonly (StoredObject & { readonly tree: StoredObject })[]
  readonly segments: readonly Segment[]
}

/** Tenants with few records share one object, so that a cut costs a handful of requests whatever their number. */
function placeSegments({ cut, segments, timeMs, ownObjectRows }: Placement): readonly DataObject[] {
  const isSmall = ({ entry }: SealedSegment): boolean => segments.length > 1 && entry.rows < ownObjectRows
  const own = segments.filter(segment => !isSmall(segment))
  const small = segments.filter(isSmall)
  const objects = own.map(segment => ({
    key: segmentKey(cut, segment.entry.tenant, timeMs),
    segments: [segment],
  }))
  return small.length === 0 ? objects : [...objects, { key: bundleKey(cut, timeMs), segments: small }]
}

/** Stores an object, beside others of its key; the same bytes are stored once. */
export async function putObject(store: Store, key: string, content: Content): Promise<StoredObject> {
  const { bytes, retainUntil } = content
  const lock = retainUntil === undefined ? {} : { retainUntil }
  const result = await store.put({ key, bytes, ifTaken: 'beside', ...lock })
  if (result.kind === 'taken')
    throw new AppError('STORE_CONFLICT', `the store would not keep ${key} beside another`)
  return { key, version: result.version, sha256: sha256Hex(bytes), size_bytes: bytes.length }
}

/** One buffer; without a copy where there is only one. */
function join(parts: readonly Buffer[]): Buffer {
  const [only] = parts
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts)
}

interface Content {
  readonly bytes: Buffer
  readonly retainUntil: Date | undefined
}

type PlacedObject = StoredSegments['objects'][number]

/** Data first: leaf hashes without their data would be nobody's. */
async function storeObject(
  store: Store,
  object: DataObject,
  retainUntil: Date | undefined,
): Promise<PlacedObject> {
  const { key, segments } = object
  const bytes = join(segments.map(segment => segment.bytes))
  const leaves = join(segments.map(segment => segment.leaves))
  const data = await putObject(store, key, { bytes, retainUntil })
  const tree = await putObject(store, treeKey(key), { bytes: leaves, retainUntil })
  return { ...data, tree }
}

/** How many objects of a cut are stored at the same time. */
export const uploadsAtOnce = 4

/** Stores the segments of a cut; nothing refers to them until the manifest does. */
export async function storeSegments(
  store: Store,
  placement: Placement,
  retainUntil: Date | undefined,
): Promise<StoredSegments> {
  const placed = placeSegments(placement)
  const objects: PlacedObject[] = []
  const work = (object: DataObject): Promise<PlacedObject> => storeObject(store, object, retainUntil)
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
