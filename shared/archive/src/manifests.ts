import { AppError } from '@muniment/schema'
import { manifestKey, manifestPrefix, parsePath } from './format/paths.ts'
import { parseManifest, sha256Hex, type CommittedManifest } from './format/manifest.ts'
import { inOrder } from './in-order.ts'
import type { ObjectInfo, Store } from './store/store.ts'

/** Manifests fetched at the same time: over a network the time goes into waiting. */
const manifestsAhead = 16

/** Which manifests to list. */
export interface ManifestQuery {
  readonly partition?: number
  /** Only manifests that come after this one in the order of keys. */
  readonly after?: string
  readonly signal?: AbortSignal
}

/** Reads the manifest that a listing or a lost race pointed at. */
export async function readManifest(store: Store, key: string, version?: string): Promise<CommittedManifest> {
  const found = version === undefined ? await store.head(key) : { version }
  const bytes = found && (await store.get(key, { version: found.version }))
  if (found === undefined || bytes === undefined) {
    throw new AppError('ARCHIVE_DAMAGED', `manifest ${key} is gone`, { details: { key } })
  }
  const manifest = parseManifest(key, bytes)
  if (manifestKey(manifest.topic, manifest.partition, manifest.first_offset) !== key) {
    throw new AppError('ARCHIVE_DAMAGED', `manifest ${key} describes another position`, { details: { key } })
  }
  return { key, version: found.version, sha256: sha256Hex(bytes), manifest }
}

function listOptions(query: ManifestQuery): { after?: string; signal?: AbortSignal } {
  const { after, signal } = query
  return { ...(after === undefined ? {} : { after }), ...(signal === undefined ? {} : { signal }) }
}

/** The first version of every manifest key: a later one, or a mark that hides it, does not count. */
async function* listFirst(store: Store, topic: string, query: ManifestQuery): AsyncGenerator<ObjectInfo> {
  let last: string | undefined
  for await (const info of store.list(manifestPrefix(topic, query.partition), listOptions(query))) {
    if (info.isDeleteMarker || info.key === last || parsePath(info.key)?.kind !== 'manifest') continue
    last = info.key
    yield info
  }
}

/** The manifests of a topic in the order of their keys: by partition (as text), then position. */
export async function* listManifests(
  store: Store,
  topic: string,
  query: ManifestQuery = {},
): AsyncGenerator<CommittedManifest> {
  const read = ({ key, version }: ObjectInfo): Promise<CommittedManifest> => readManifest(store, key, version)
  yield* inOrder(listFirst(store, topic, query), manifestsAhead, read)
}

/** Keys that a store brings at once. */
const pageKeys = 1000

interface Reach {
  /** The last manifest met; `undefined` where none stands at or after the position. */
  readonly last: ObjectInfo | undefined
  readonly isEnd: boolean
}

/** Looks at one page of manifests, the first at or after a position. */
async function reachFrom(
  store: Store,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  first: number,
): Promise<Reach> {
  const after = first === 0 ? {} : { after: manifestKey(topic, partition, first - 1) }
  let last: ObjectInfo | undefined
  let seen = 0
  for await (const info of listFirst(store, topic, { partition, ...after })) {
    last = info
    seen += 1
    if (seen === pageKeys) return { last, isEnd: false }
  }
  return { last, isEnd: true }
}

function positionOf({ key }: ObjectInfo): number {
  const path = parsePath(key)
  return path?.kind === 'manifest' ? path.first : 0
}

/**
 * The newest manifest of a partition: all that an archiver needs to go on. Searched for by doubling and halving the position, so that an archive
 * of years costs a few dozen listings, not all of them.
 */
export async function newestManifest(
  store: Store,
  topic: string,
  partition: number,
): Promise<CommittedManifest | undefined> {
  let newest: ObjectInfo | undefined
  let [from, end] = [0, Infinity]
  while (from < end) {
    const { last, isEnd } = await reachFrom(store, { topic, partition }, from)
    newest = last ?? newest
    if (last === undefined) end = from
    else if (isEnd) break
    const low = newest === undefined ? end : positionOf(newest) + 1
    from = end === Infinity ? low * 2 : low + Math.floor((end - low) / 2)
  }
  return newest && readManifest(store, newest.key, newest.version)
}
