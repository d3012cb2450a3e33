import { isSignedBy, parseCheckpoint, type Checkpoint, type NoteVerifier } from '../format/checkpoint.ts'
import type { CommittedManifest } from '../format/manifest.ts'
import type { Trust } from '../format/policy.ts'
import type { LogState } from '../log-state.ts'
import type { ObjectInfo, Store } from '../store/store.ts'
import type { Finding, FindingCode, Findings } from './report.ts'

/** What checking the log needs. */
export interface LogInput {
  readonly store: Store
  /** The checkpoint before anything was listed: everything it names must be in the listing. */
  readonly checkpoint: Buffer | undefined
  /** The checkpoint after everything was listed: on an archive in use it may be newer. */
  readonly checkpointAfter: Buffer | undefined
  /** Without any key: signatures are not checked. */
  readonly trust: Trust
  /** Checkpoints that somebody kept: the log must be an extension of each. */
  readonly remembered: readonly string[]
  /** Everything below `log/`. */
  readonly listed: readonly ObjectInfo[]
  /** Manifests that could be read, by key. */
  readonly committed: ReadonlyMap<string, CommittedManifest>
}

/** The log while it is checked. */
export interface Working {
  readonly input: LogInput
  readonly findings: Findings
  readonly trust: Trust
  readonly state: LogState
  /** Keys of the batches that the entries come from, and the first entry of each, in order. */
  readonly batches: Map<string, number>
}

/** What is found of the log: where, why it matters, and which entries it touches. */
type LogFinding = Omit<Finding, 'code'>

/** Something is wrong. */
export function report(working: Working, code: FindingCode, found: LogFinding): void {
  working.findings.problems.push({ code, ...found })
}

/** Something is worth knowing. */
export function note(working: Working, code: FindingCode, found: LogFinding): void {
  working.findings.notes.push({ code, ...found })
}

/** Reads a checkpoint and checks its signature where the caller trusts a key. */
export function readCheckpoint(working: Working, bytes: Buffer, object: string): Checkpoint | undefined {
  const checkpoint = parseCheckpoint(bytes)
  if (checkpoint === undefined) {
    report(working, 'log.checkpoint', { object, reason: 'not a checkpoint', entries: { first: 0 } })
    return undefined
  }
  const keys = logKeys(working.trust)
  if (keys.length > 0 && !isSignedBy(checkpoint, keys)) {
    const names = new Set(keys.map(({ name }) => name))
    const entries = { first: 0, next: checkpoint.treeSize }
    report(working, 'log.key', { object, reason: `not signed by ${[...names].join(' or ')}`, entries })
    return undefined
  }
  return checkpoint
}

/** Keys of the log that the caller trusts. */
export function logKeys({ verifiers, policy }: Trust): readonly NoteVerifier[] {
  return [...verifiers, ...(policy?.logs ?? [])]
}

/** Whether the entries extend a checkpoint. */
export function checkExtends(working: Working, checkpoint: Checkpoint, object: string): void {
  const { state } = working
  const { treeSize, root } = checkpoint
  if (treeSize > state.entries.length) {
    const reason = `names ${treeSize} entries, the log has ${state.entries.length}: it was cut back`
    report(working, 'log.fork', { object, reason, entries: { first: state.entries.length, next: treeSize } })
  } else if (!state.tree.rootAt(treeSize).equals(root)) {
    report(working, 'log.fork', {
      object,
      reason: `its root over ${treeSize} entries is not the root of the log`,
      entries: { first: 0, next: treeSize },
    })
  }
}
