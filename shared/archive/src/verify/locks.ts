import type { CommittedManifest } from '../format/manifest.ts'
import { inOrder } from '../in-order.ts'
import { objectName } from './leftovers.ts'
import { checkpointKey } from '../store/checkpoint-store.ts'
import type { ObjectInfo, Store } from '../store/store.ts'
import type { FindingCode, Findings, LockedObject } from './report.ts'

const headsAhead = 32

/** A version that is to be locked. */
interface Wanted {
  readonly key: string
  readonly version: string
  /** What its manifest says. */
  readonly retain_until_ms?: number | undefined
}

/** Objects as manifests pin them, the manifests, and the log but for its head, which is replaced. */
function wantedOf(
  committed: readonly CommittedManifest[],
  listedLog: readonly ObjectInfo[],
): readonly Wanted[] {
  const wanted: Wanted[] = []
  // Several manifests may refer to one body.
  const bodies = new Map<string, Wanted>()
  for (const { key, version, manifest } of committed) {
    for (const { tree, ...object } of manifest.objects) wanted.push(object, tree)
    for (const body of manifest.bodies ?? []) bodies.set(objectName(body), body)
    wanted.push({ key, version })
  }
  const log = listedLog.filter(info => info.key !== checkpointKey && !info.isDeleteMarker)
  return [...wanted, ...bodies.values(), ...log]
}

interface Judged {
  readonly code: FindingCode
  readonly reason: string
  readonly isNote: boolean
}

/** Stores keep lock times in seconds. */
const roundingMs = 1000

function judge(
  { version, retain_until_ms: promisedMs = 0 }: Wanted,
  { mode, until_ms: untilMs = 0 }: LockedObject,
): Judged | undefined {
  if (version === 'null') {
    const reason = 'was stored while versioning was off or suspended: its bytes can be replaced'
    return { code: 'lock.absent', reason, isNote: false }
  }
  if (mode === 'none')
    return {
      code: 'lock.absent',
      reason: `version ${version} is not locked: it can be deleted`,
      isNote: false,
    }
  if (untilMs + roundingMs < promisedMs) {
    const reason = `is locked until ${day(untilMs)} only, not until ${day(promisedMs)} as its manifest says`
    return { code: 'lock.short', reason, isNote: false }
  }
  if (untilMs < Date.now())
    return { code: 'lock.ended', reason: `its lock ended on ${day(untilMs)}`, isNote: true }
  if (mode === 'COMPLIANCE') return undefined
  return {
    code: 'lock.governance',
    reason: 'its lock can be lifted by whoever has the permission',
    isNote: true,
  }
}

function day(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10)
}

/** Reads the lock of every version that the archive stands on; the data is what a store shows of it, so this is worth what the store is. */
export async function checkLocks(
  store: Store,
  input: { readonly committed: readonly CommittedManifest[]; readonly listedLog: readonly ObjectInfo[] },
  findings: Findings,
): Promise<readonly LockedObject[]> {
  const wanted = wantedOf(input.committed, input.listedLog)
  const look = async (each: Wanted): Promise<{ each: Wanted; info: ObjectInfo | undefined }> => ({
    each,
    info: await store.head(each.key, each.version),
  })
  const locks: LockedObject[] = []
  for await (const { each, info } of inOrder(wanted, headsAhead, look)) {
    // What is missing is named where it is read.
    if (info === undefined) continue
    if (info.lock === undefined) return noLocks(each, findings)
    const lock = info.lock === 'none' ? undefined : info.lock
    const found: LockedObject = {
      object: each.key,
      version: each.version,
      mode: lock?.mode ?? 'none',
      until_ms: lock?.untilMs,
    }
    locks.push(found)
    const judged = judge(each, found)
    if (judged === undefined) continue
    const list = judged.isNote ? findings.notes : findings.problems
    list.push({ code: judged.code, object: each.key, reason: judged.reason })
  }
  return locks
}

function noLocks({ key }: Wanted, { notes }: Findings): readonly LockedObject[] {
  const reason = 'this kind of store has no locks: whoever may write to it can remove what it holds'
  notes.push({ code: 'lock.unknown', object: key, reason })
  return []
}
