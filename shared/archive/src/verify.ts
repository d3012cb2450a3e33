import { parsePath } from './format/paths.ts'
import type { SegmentOpener } from './keys.ts'
import type { ArchiveStore, ObjectInfo } from './store/store.ts'
import { checkLeftovers } from './verify/leftovers.ts'
import { checkPartition, type Audit, type PartitionInput, type Progress } from './verify/partition.ts'
import { noFindings, type Coverage, type VerifyReport } from './verify/report.ts'

/** What to verify, and with what. */
export interface VerifyOptions {
  readonly store: ArchiveStore
  /** Opens segments; without it contents are not compared with their hashes, and the report says so. */
  readonly keys?: SegmentOpener
  readonly onProgress?: (progress: Readonly<Progress>) => void
  readonly signal?: AbortSignal
}

async function listAll(store: ArchiveStore, signal: AbortSignal | undefined): Promise<readonly ObjectInfo[]> {
  const listed: ObjectInfo[] = []
  for await (const info of store.list('', signal === undefined ? {} : { signal })) listed.push(info)
  signal?.throwIfAborted()
  return listed
}

/** Partitions in the listing, with the first version of every manifest. */
function partitionsIn(listed: readonly ObjectInfo[]): readonly PartitionInput[] {
  const partitions = new Map<string, PartitionInput & { readonly manifests: ObjectInfo[] }>()
  let last: string | undefined
  for (const info of listed) {
    const path = parsePath(info.key)
    if (path?.kind !== 'manifest' || info.isDeleteMarker || info.key === last) continue
    last = info.key
    const { topic, partition } = path
    const name = `${topic}/${partition}`
    const found = partitions.get(name) ?? { topic, partition, manifests: [] }
    found.manifests.push(info)
    partitions.set(name, found)
  }
  return [...partitions.values()]
}

/**
 * Checks everything that can be checked of an archive, reading all of it once. Resolves to a report; rejects only where
 * the store cannot be read.
 */
export async function verifyArchive(options: VerifyOptions): Promise<VerifyReport> {
  const { store, keys, signal, onProgress } = options
  const listed = await listAll(store, signal)
  const audit: Audit = {
    ...noFindings(),
    context: { store, keys, signal },
    progress: { manifests: 0, objects: 0, bytes: 0, records: 0 },
    onProgress,
    names: new Set(),
    digests: new Set(),
    committed: new Map(),
  }
  const covered: Coverage[] = []
  for (const partition of partitionsIn(listed)) covered.push(await checkPartition(audit, partition))
  const data = listed.filter(({ key }) => parsePath(key)?.kind !== 'log')
  await checkLeftovers(store, { listed: data, referenced: audit }, audit)
  const { problems, notes, progress } = audit
  return {
    ok: problems.length === 0,
    problems,
    notes,
    covered,
    anchored: undefined,
    checked: { ...progress, hasContents: keys !== undefined },
  }
}
