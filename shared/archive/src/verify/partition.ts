import type { CommittedManifest, StoredObject } from '../format/manifest.ts'
import { manifestKey, parsePath } from '../format/paths.ts'
import type { ObjectInfo } from '../store/store.ts'
import { placeOf } from './copies.ts'
import { checkCut, type CheckedCut } from './cut.ts'
import { positionOf, type CutContext, type Opening } from './cut-working.ts'
import { createLaneAudit, type LaneAudit } from './lanes.ts'
import { objectName } from './leftovers.ts'
import { listedAfter } from './listed-after.ts'
import { inOrder } from '../in-order.ts'
import { noFindings, type Coverage, type Finding, type Findings, type TenantCoverage } from './report.ts'

/** What verification has seen so far. */
export interface Progress {
  manifests: number
  objects: number
  bytes: number
  records: number
  remembered: number
}

/** Shared by all partitions of one verification. */
export interface Audit extends Findings {
  readonly context: CutContext
  readonly progress: Progress
  readonly onProgress: ((progress: Readonly<Progress>) => void) | undefined
  /** Told of every manifest, and whether its objects, and what their records say of their lanes, are right. */
  readonly onChecked: ((manifest: CommittedManifest, isRight: boolean) => void) | undefined
  /** Names of all objects that manifests refer to, and the manifests. */
  readonly names: Set<string>
  readonly digests: Set<string>
  /** Manifests that could be read, by key. */
  readonly committed: Map<string, CommittedManifest>
  readonly openings: Opening[]
}

/** A partition and the first versions of its manifests, in order. */
export interface PartitionInput {
  readonly topic: string
  readonly partition: number
  readonly manifests: readonly ObjectInfo[]
}

/** Of each partition; several are read at the same time. */
const cutsAhead = 2

interface Chain {
  next: number
  key: string | undefined
  previous: string | null
}

function checkChain(audit: Audit, chain: Chain, committed: CommittedManifest): void {
  const { manifest, key } = committed
  const range = positionOf(committed)
  if (manifest.first_offset > chain.next) {
    const reason = `the manifests from offset ${chain.next} to ${manifest.first_offset - 1} are gone`
    audit.problems.push({ code: 'manifest.missing', object: key, reason, range })
  } else if (manifest.first_offset < chain.next) {
    const reason = `covers offsets that an earlier manifest covers, below ${chain.next}`
    audit.problems.push({ code: 'manifest.chain', object: key, reason, range })
  } else if (manifest.previous !== chain.previous) {
    const reason = `does not name ${chain.key ?? 'a manifest'} before it: one of the two was altered`
    audit.problems.push({ code: 'manifest.chain', object: key, reason, range })
  }
  if (manifest.next_offset <= manifest.first_offset) {
    audit.problems.push({ code: 'manifest.chain', object: key, reason: 'covers no offset', range })
  }
  chain.next = Math.max(chain.next, manifest.next_offset)
  chain.previous = committed.sha256
  chain.key = key
}

interface MutableCoverage {
  records: number
  min_ms: number
  max_ms: number
}

function cover(tenants: Map<string, MutableCoverage>, committed: CommittedManifest): void {
  for (const { tenant, rows, time } of committed.manifest.segments) {
    const known = tenants.get(tenant) ?? { records: 0, min_ms: Infinity, max_ms: -Infinity }
    known.records += rows
    known.min_ms = Math.min(known.min_ms, time?.min_ms ?? Infinity)
    known.max_ms = Math.max(known.max_ms, time?.max_ms ?? -Infinity)
    tenants.set(tenant, known)
  }
}

function tenantCoverage(tenants: ReadonlyMap<string, MutableCoverage>): readonly TenantCoverage[] {
  return [...tenants].map(([tenant, { records, min_ms, max_ms }]) => ({
    tenant,
    records,
    min_ms: Number.isFinite(min_ms) ? min_ms : undefined,
    max_ms: Number.isFinite(max_ms) ? max_ms : undefined,
  }))
}

function remember(audit: Audit, committed: CommittedManifest): void {
  audit.committed.set(committed.key, committed)
  const nameOf = (object: StoredObject): string => objectName(placeOf(audit.context.listedSizes, object))
  for (const object of committed.manifest.objects) {
    audit.names.add(nameOf(object)).add(nameOf(object.tree))
    audit.digests.add(object.sha256)
    audit.progress.objects += 2
  }
  for (const body of committed.manifest.bodies ?? []) {
    audit.names.add(nameOf(body))
    audit.digests.add(body.sha256)
    audit.progress.objects += 1
  }
}

function addCut(audit: Audit, cut: CheckedCut, into: { chain: Chain; lanes: LaneAudit }): void {
  audit.problems.push(...cut.problems)
  audit.notes.push(...cut.notes)
  audit.openings.push(...cut.openings)
  audit.progress.manifests += 1
  audit.progress.bytes += cut.bytes
  audit.progress.records += cut.records
  if (cut.isRemembered) audit.progress.remembered += 1
  if (cut.committed === undefined) return
  checkChain(audit, into.chain, cut.committed)
  const before = audit.problems.length
  into.lanes.add(cut.committed, cut.places)
  remember(audit, cut.committed)
  const isRight = cut.problems.length + cut.notes.length === 0 && audit.problems.length === before
  audit.onChecked?.(cut.committed, isRight)
}

/** A manifest that cannot be read does not say what it covers; its key says where that begins, and the next one's where it ends at the latest. */
function placed(finding: Finding, { manifests }: PartitionInput): Finding {
  const at = parsePath(finding.object)
  if (finding.code !== 'manifest.malformed' || at?.kind !== 'manifest') return finding
  const { topic, partition, first } = at
  const after = listedAfter(manifests, finding.object)
  const next = after && parsePath(after.key)
  const isKnown = next?.kind === 'manifest'
  const range = { topic, partition, first_offset: first, next_offset: isKnown ? next.first : first + 1 }
  const reason = `${finding.reason}; it is the newest: where it ends is not known`
  return { ...finding, range, ...(!isKnown && { reason }) }
}

interface Partition {
  readonly input: PartitionInput
  readonly chain: Chain
  readonly lanes: LaneAudit
  readonly tenants: Map<string, MutableCoverage>
}

function take(audit: Audit, cut: CheckedCut, partition: Partition): void {
  audit.context.signal?.throwIfAborted()
  const problems = cut.problems.map(finding => placed(finding, partition.input))
  addCut(audit, { ...cut, problems }, partition)
  if (cut.committed !== undefined) cover(partition.tenants, cut.committed)
  audit.onProgress?.(audit.progress)
}

/** Manifests that the listing passed by: on an archive in use they may have been written behind it. */
async function takeUnlisted(audit: Audit, before: number, partition: Partition): Promise<void> {
  const { context, names } = audit
  const { topic, partition: number } = partition.input
  while (partition.chain.next < before) {
    const info = await context.store.head(manifestKey(topic, number, partition.chain.next))
    if (info === undefined || names.has(objectName(info))) return
    names.add(objectName(info))
    take(audit, await checkCut(context, info), partition)
  }
}

/** What checking a partition came to, apart from the others that are checked meanwhile. */
export interface CheckedPartition extends Findings {
  readonly covered: Coverage
  readonly openings: readonly Opening[]
}

/** Checks the manifests of one partition, their objects, their chain and their lanes. */
export async function checkPartition(shared: Audit, input: PartitionInput): Promise<CheckedPartition> {
  const audit: Audit = { ...shared, ...noFindings(), openings: [] }
  const chain: Chain = { next: 0, key: undefined, previous: null }
  const partition = {
    input,
    chain,
    lanes: createLaneAudit(audit),
    tenants: new Map<string, MutableCoverage>(),
  }
  const check = (info: ObjectInfo): Promise<CheckedCut> => checkCut(audit.context, info)
  for (const info of input.manifests) audit.names.add(objectName(info))
  for await (const cut of inOrder(input.manifests, cutsAhead, check)) {
    const first = cut.committed?.manifest.first_offset ?? 0
    if (first > chain.next) await takeUnlisted(audit, first, partition)
    take(audit, cut, partition)
  }
  partition.lanes.finish()
  const tenants = tenantCoverage(partition.tenants)
  const { topic, partition: number } = input
  const covered = { topic, partition: number, first_offset: 0, next_offset: chain.next, tenants }
  return { covered, problems: audit.problems, notes: audit.notes, openings: audit.openings }
}
