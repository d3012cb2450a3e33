import type { Place } from '../format/lanes.ts'
import type { CommittedManifest } from '../format/manifest.ts'
import type { SegmentOpener } from '../keys.ts'
import type { Store } from '../store/store.ts'
import type { CutPosition, FindingCode, Findings } from './report.ts'

/** What checking one manifest and its objects needs. */
export interface CutContext {
  readonly store: Store
  readonly keys: SegmentOpener | undefined
  readonly signal: AbortSignal | undefined
  /** Manifests whose objects an earlier run found right: key → SHA-256. */
  readonly remembered: ReadonlyMap<string, string>
  /** Sizes of all objects that the store lists, by name. */
  readonly listedSizes: ReadonlyMap<string, number>
}

/** Whether a segment's key was held. */
export interface Opening {
  readonly tenant: string
  readonly isOpen: boolean
  readonly object: string
  readonly range: CutPosition
  readonly sealedMs: number
}

/** One manifest while it is checked. */
export interface Working extends Findings {
  readonly context: CutContext
  readonly committed: CommittedManifest
  readonly places: Place[]
  readonly openings: Opening[]
  /** Large bodies by their keys, as they were read. */
  readonly bodies: Map<string, Buffer>
  /** Those that a record refers to. */
  readonly usedBodies: Set<string>
  bytes: number
  records: number
  /** Whether every record's bytes were seen. */
  hasContents: boolean
}

/** The offsets a manifest covers. */
export function positionOf({ manifest }: CommittedManifest): CutPosition {
  const { topic, partition, first_offset, next_offset } = manifest
  return { topic, partition, first_offset, next_offset }
}

/** An object and what is wrong with it. */
export interface Fault {
  readonly object: string
  readonly reason: string
}

/** Something is wrong in the cut. */
export function report(working: Working, code: FindingCode, fault: Fault): void {
  working.problems.push({ code, ...fault, range: positionOf(working.committed) })
}
