import { parseVerifierKey } from './format/checkpoint.ts'
import { parsePath } from './format/paths.ts'
import { parsePolicy, type Trust } from './format/policy.ts'
import { logPrefix } from './format/tiles.ts'
import type { SegmentOpener } from './keys.ts'
import type { ArchiveStore, ObjectInfo } from './store/store.ts'
import { checkKeys } from './verify/keys.ts'
import { checkLeftovers } from './verify/leftovers.ts'
import { checkLog, type LogInput } from './verify/log.ts'
import { checkPartition, type Audit, type PartitionInput, type Progress } from './verify/partition.ts'
import { noFindings, type Coverage, type VerifyReport } from './verify/report.ts'

/** What to verify, and with what. */
export interface VerifyOptions {
  readonly store: ArchiveStore
  /** Opens segments; without it contents are not compared with their hashes, and the report says so. */
  readonly keys?: SegmentOpener
  /** Verifier keys of the log, all generations, from a source you trust; without one signatures are not checked. */
  readonly verifierKey?: string | readonly string[]
  /** A policy: more keys of the log, its witnesses, and how many of them must have cosigned. Without one cosignatures are not checked. */
  readonly policy?: string
  /** Checkpoints kept from earlier: the log must be an extension of each. */
  readonly remembered?: readonly string[]
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

function isLog({ key }: ObjectInfo): boolean {
  return key.startsWith(logPrefix)
}

function trustOf({ verifierKey, policy }: VerifyOptions): Trust {
  return {
    verifiers: [verifierKey ?? []].flat().map(parseVerifierKey),
    policy: policy === undefined ? undefined : parsePolicy(policy),
  }
}

/**
 * Checks everything that can be checked of an archive, reading all of it once. Resolves to a report; rejects only where
 * the store cannot be read.
 */
export async function verifyArchive(options: VerifyOptions): Promise<VerifyReport> {
  const { store, keys, signal, onProgress } = options
  const trust = trustOf(options)
  // Read before the listing, so that on an archive in use everything it names is listed.
  const checkpoint = await store.checkpoint.read()
  const listed = await listAll(store, signal)
  const checkpointAfter = await store.checkpoint.read()
  const audit: Audit = {
    ...noFindings(),
    context: { store, keys, signal },
    progress: { manifests: 0, objects: 0, bytes: 0, records: 0 },
    onProgress,
    names: new Set(),
    digests: new Set(),
    committed: new Map(),
    openings: [],
  }
  const covered: Coverage[] = []
  for (const partition of partitionsIn(listed)) covered.push(await checkPartition(audit, partition))
  checkKeys(audit.openings, audit)
  await checkLeftovers(store, { listed: listed.filter(info => !isLog(info)), referenced: audit }, audit)
  const log: LogInput = {
    store,
    checkpoint: checkpoint?.bytes,
    checkpointAfter: checkpointAfter?.bytes,
    trust,
    remembered: options.remembered ?? [],
    listed: listed.filter(isLog),
    committed: audit.committed,
  }
  const anchored = await checkLog(log, audit)
  const { problems, notes, progress } = audit
  return {
    ok: problems.length === 0,
    problems,
    notes,
    covered,
    anchored,
    checked: { ...progress, hasContents: keys !== undefined },
  }
}
