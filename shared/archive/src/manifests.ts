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

/** The newest manifest of a partition: all that an archiver needs to go on. */
export async function newestManifest(
  store: Store,
  topic: string,
  partition: number,
): Promise<CommittedManifest | undefined> {
  let newest: ObjectInfo | undefined
  for await (const info of listFirst(store, topic, { partition })) newest = info
  return newest && readManifest(store, newest.key, newest.version)
}
