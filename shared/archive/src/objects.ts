import { AppError } from '@muniment/schema'
import { sha256Hex, type Segment, type StoredObject } from './format/manifest.ts'
import { bundleKey, segmentKey, treeKey, type CutRange } from './format/paths.ts'
import { inOrder } from './in-order.ts'
import { lockedUntil, type Retention } from './retention.ts'
import type { KeyedRows, SealedObject } from './segments.ts'
import type { Store } from './store/store.ts'

/** A data object and whose records it is to hold. */
interface DataObject {
  readonly key: string
  readonly retainUntil: Date | undefined
  readonly tenants: readonly KeyedRows[]
}

/** Records of a cut and where their segments are to lie. */
export interface Placement {
  readonly cut: CutRange
  readonly tenants: readonly KeyedRows[]
  readonly seal: (tenants: readonly KeyedRows[]) => Promise<SealedObject>
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
  const { cut, tenants, timeMs, sealedMs, ownObjectRows, retentionOf } = placement
  const bundles = new Map<string, DataObject & { readonly tenants: KeyedRows[] }>()
  const own: DataObject[] = []
  for (const keyed of tenants) {
    const { tenant, rows } = keyed
    const { name, days } = retentionOf(tenant)
    const retainUntil = lockedUntil(sealedMs, days)
    const isAlone = tenants.length === 1 || rows.length >= ownObjectRows
    if (isAlone) own.push({ key: segmentKey(cut, tenant, timeMs), retainUntil, tenants: [keyed] })
    else {
      const bundle = bundles.get(name) ?? { key: bundleKey(cut, name, timeMs), retainUntil, tenants: [] }
      bundle.tenants.push(keyed)
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

/** What an object is to hold, and how long. */
export interface Content {
  readonly bytes: Buffer
  readonly retainUntil: Date | undefined
}

interface PlacedObject {
  readonly object: StoredSegments['objects'][number]
  readonly entries: SealedObject['entries']
}

/** How many objects of a cut are made and stored at the same time. */
export const uploadsAtOnce = 4

/** Seals the segments of a cut and stores them; nothing refers to them until the manifest does. */
export async function storeSegments(store: Store, placement: Placement): Promise<StoredSegments> {
  // Data first: leaf hashes without their data would be nobody's.
  const work = async ({ key, tenants, retainUntil }: DataObject): Promise<PlacedObject> => {
    const { bytes, leaves, entries } = await placement.seal(tenants)
    const data = await putObject(store, key, { bytes, retainUntil })
    const tree = await putObject(store, treeKey(key), { bytes: leaves, retainUntil })
    return { object: { ...data, tree }, entries }
  }
  const placed: PlacedObject[] = []
  for await (const object of inOrder(placeSegments(placement), uploadsAtOnce, work)) placed.push(object)
  return {
    objects: placed.map(({ object }) => object),
    segments: placed.flatMap(({ entries }, object) => entries.map(entry => ({ ...entry, object }))),
  }
}
