import { inOrder } from './in-order.ts'
import { parseVerifierKey } from './format/checkpoint.ts'
import { parsePath } from './format/paths.ts'
import { parsePolicy, type Trust } from './format/policy.ts'
import { logPrefix } from './format/tiles.ts'
import type { SegmentOpener } from './keys.ts'
import type { ArchiveStore, ObjectInfo } from './store/store.ts'
import { noteCopy } from './verify/copies.ts'
import { checkKeys } from './verify/keys.ts'
import { checkLeftovers, objectName } from './verify/leftovers.ts'
import { checkLocks } from './verify/locks.ts'
import { checkLog } from './verify/log.ts'
import type { LogInput } from './verify/log-working.ts'
import { usableMemory, type VerifyMemory } from './verify/memory.ts'
import {
  checkPartition,
  type Audit,
  type CheckedPartition,
  type PartitionInput,
  type Progress,
} from './verify/partition.ts'
import { noFindings, type Coverage, type LockedObject, type VerifyReport } from './verify/report.ts'

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
  /** What an earlier run read and found right, and is not to be read again. */
  readonly memory?: VerifyMemory
  /** Told of what a later run need not read again: all that it needs, after every manifest. */
  readonly onMemory?: (memory: VerifyMemory) => void
  /** Whether to ask the store for the lock of every object: one request each. */
  readonly withLocks?: boolean
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

/** Partitions read at the same time: over a network the time goes into waiting. */
const partitionsAtOnce = 3

/** What is there before anything is checked. */
interface Start {
  readonly remembered: ReadonlyMap<string, string>
  readonly checkpoint: Buffer | undefined
  readonly listed: readonly ObjectInfo[]
}

/** Collects what a later run may rely on. */
function memoryOf({ keys, onMemory }: VerifyOptions, { checkpoint, remembered }: Start): Audit['onChecked'] {
  if (onMemory === undefined || checkpoint === undefined) return undefined
  // What an earlier run knew is kept, in case that this one is interrupted.
  const checked = new Map(remembered)
  const memory = { checkpoint: checkpoint.toString(), hasContents: keys !== undefined, checked }
  return ({ key, sha256 }, isRight) => {
    if (isRight) checked.set(key, sha256)
    else checked.delete(key)
    onMemory(memory)
  }
}

function newAudit(options: VerifyOptions, start: Start): Audit {
  const { store, keys, signal, onProgress } = options
  const { remembered, listed } = start
  return {
    ...noFindings(),
    context: { store, keys, signal, remembered, listedSizes: sizesOf(listed) },
    progress: { manifests: 0, objects: 0, bytes: 0, records: 0, remembered: 0 },
    onProgress,
    onChecked: memoryOf(options, start),
    names: new Set(),
    digests: new Set(),
    committed: new Map(),
    openings: [],
  }
}

async function checkPartitions(audit: Audit, listed: readonly ObjectInfo[]): Promise<readonly Coverage[]> {
  const covered: Coverage[] = []
  const check = (partition: PartitionInput): Promise<CheckedPartition> => checkPartition(audit, partition)
  for await (const found of inOrder(partitionsIn(listed), partitionsAtOnce, check)) {
    covered.push(found.covered)
    audit.problems.push(...found.problems)
    audit.notes.push(...found.notes)
    audit.openings.push(...found.openings)
  }
  return covered
}

function locksOf(
  { context, committed, ...findings }: Audit,
  log: LogInput,
): Promise<readonly LockedObject[]> {
  const input = { committed: committed.values().toArray(), listedLog: log.listed }
  return checkLocks(context.store, input, findings)
}

function sizesOf(listed: readonly ObjectInfo[]): ReadonlyMap<string, number> {
  const objects = listed.filter(info => !info.isDeleteMarker && !isLog(info))
  return new Map(objects.map(info => [objectName(info), info.sizeBytes]))
}

/**
 * Checks everything that can be checked of an archive, reading all of it once. Resolves to a report; rejects only where
 * the store cannot be read.
 */
export async function verifyArchive(options: VerifyOptions): Promise<VerifyReport> {
  const { store, keys, signal, memory, remembered: kept = [] } = options
  const trust = trustOf(options)
  const remembered = await usableMemory(store, memory, { trust, wantsContents: keys !== undefined })
  // Read before the listing, so that on an archive in use everything it names is listed.
  const checkpoint = (await store.checkpoint.read())?.bytes
  const listed = await listAll(store, signal)
  const checkpointAfter = (await store.checkpoint.read())?.bytes
  const audit = newAudit(options, { remembered, checkpoint, listed })
  const covered = await checkPartitions(audit, listed)
  checkKeys(audit.openings, audit)
  noteCopy(audit.committed.values(), audit.context.listedSizes, audit.notes)
  await checkLeftovers(store, { listed: listed.filter(info => !isLog(info)), referenced: audit }, audit)
  const log: LogInput = {
    store,
    checkpoint,
    checkpointAfter,
    trust,
    remembered: memory === undefined ? kept : [...kept, memory.checkpoint],
    listed: listed.filter(isLog),
    committed: audit.committed,
  }
  const anchored = await checkLog(log, audit)
  const locks = options.withLocks === true && (await locksOf(audit, log))
  return { ...reportOf(audit), covered, anchored, ...(locks !== false && { locks }) }
}

function reportOf({
  problems,
  notes,
  progress,
  context,
  openings,
}: Audit): Pick<VerifyReport, 'ok' | 'problems' | 'notes' | 'checked'> {
  const opened = openings.filter(({ isOpen }) => isOpen).length
  const checked = { ...progress, hasContents: context.keys !== undefined, opened }
  return { ok: problems.length === 0, problems, notes, checked }
}
