import { topic } from '@muniment/schema'
import type { LaneCut, Place, Watermark } from '../format/lanes.ts'
import type { CommittedManifest } from '../format/manifest.ts'
import {
  countRanges,
  intersectRange,
  mergeRanges,
  subtractRanges,
  type Range,
  type RangeSet,
} from '../format/ranges.ts'
import { positionOf } from './cut-working.ts'
import type { FindingCode, Findings } from './report.ts'

interface LaneState {
  readonly next: number
  readonly missing: RangeSet
  readonly declared: RangeSet
  /** The manifest that last moved the lane. */
  readonly at: CommittedManifest
}

/** Follows every lane of a partition through its manifests. */
export interface LaneAudit {
  /** `places` of the cut's records, where contents were read. */
  readonly add: (committed: CommittedManifest, places: readonly Place[] | undefined) => void
  readonly finish: () => void
}

function text(ranges: RangeSet): string {
  const shown = ranges
    .slice(0, 5)
    .map(([first, last]) => (first === last ? String(first) : `${first}-${last}`))
  return ranges.length > 5 ? `${shown.join(', ')} and ${ranges.length - 5} more` : shown.join(', ')
}

function isSame(a: RangeSet, b: RangeSet): boolean {
  return String(a) === String(b)
}

/** Numbers in `ranges` that an earlier cut had accounted for. */
function repeated(state: LaneState, ranges: RangeSet): RangeSet {
  const below = state.next === 0 ? [] : intersectRange(ranges, [0, state.next - 1])
  return subtractRanges(below, mergeRanges([...state.missing, ...state.declared]))
}

function nextOf(state: LaneState, cut: LaneCut): number {
  const tops = [...cut.ranges, ...cut.declared, ...cut.missing].map(([, last]) => last + 1)
  return tops.reduce((top, value) => Math.max(top, value), state.next)
}

/** What a cut jumps over. */
function skipped(state: LaneState, next: number, covered: RangeSet): RangeSet {
  return next > state.next ? subtractRanges([[state.next, next - 1]], covered) : []
}

interface Applied {
  readonly state: LaneState
  readonly repeated: RangeSet
  readonly missing: RangeSet
}

function apply(state: LaneState, cut: LaneCut, at: CommittedManifest): Applied {
  const covered = mergeRanges([...cut.ranges, ...cut.declared])
  const next = nextOf(state, cut)
  const missing = skipped(state, next, covered)
  const after: LaneState = {
    next,
    missing: subtractRanges(mergeRanges([...state.missing, ...missing]), covered),
    declared: subtractRanges(mergeRanges([...state.declared, ...cut.declared]), cut.ranges),
    at,
  }
  return { state: after, repeated: repeated(state, cut.ranges), missing }
}

interface Seen {
  readonly events: Range[]
  readonly gaps: Range[]
}

/** Numbers that a cut's records carry, by lane. */
function seenIn(places: readonly Place[]): ReadonlyMap<string, Seen> {
  const lanes = new Map<string, Seen>()
  for (const place of places) {
    if (place.kind === 'none' || place.kind === 'alive') continue
    let seen = lanes.get(place.lane)
    if (seen === undefined) {
      seen = { events: [], gaps: [] }
      lanes.set(place.lane, seen)
    }
    if (place.kind === 'gap') seen.gaps.push([place.fromSeq, place.seq])
    else seen.events.push([place.seq, place.seq])
  }
  return lanes
}

/** Whether the manifest says of a lane exactly what its records say. */
function isTrue(claim: LaneCut | undefined, seen: Seen | undefined): boolean {
  const { events = [], gaps = [] } = seen ?? {}
  const ranges = mergeRanges(events)
  const isOnce = countRanges(ranges) === events.length
  const isDeclared = subtractRanges(claim?.declared ?? [], mergeRanges(gaps)).length === 0
  return isOnce && isDeclared && isSame(ranges, claim?.ranges ?? [])
}

function matches(mark: Watermark | undefined, state: LaneState): boolean {
  return (
    mark !== undefined &&
    mark.next === state.next &&
    isSame(mark.missing, state.missing) &&
    isSame(mark.declared, state.declared)
  )
}

interface Working {
  readonly findings: Findings
  readonly lanes: Map<string, LaneState>
  readonly ended: Set<string>
}

function report(working: Working, code: FindingCode, at: { cut: CommittedManifest; reason: string }): void {
  const isNote = code === 'lane.declared' || code === 'lane.open'
  const list = isNote ? working.findings.notes : working.findings.problems
  list.push({ code, object: at.cut.key, reason: at.reason, range: positionOf(at.cut) })
}

/** What a manifest says of one lane. */
interface Told {
  readonly claim: LaneCut
  readonly mark: Watermark | undefined
}

function addClaim(working: Working, cut: CommittedManifest, told: Told): void {
  const { claim, mark } = told
  const { lane } = claim
  const before = working.lanes.get(lane) ?? { next: 0, missing: [], declared: [], at: cut }
  const applied = apply(before, claim, cut)
  working.lanes.set(lane, applied.state)
  if (applied.repeated.length > 0) {
    report(working, 'lane.duplicate', {
      cut,
      reason: `lane ${lane} has ${text(applied.repeated)} more than once`,
    })
  }
  if (!isSame(applied.missing, claim.missing) || !matches(mark, applied.state)) {
    const reason = `what it says of lane ${lane} does not follow from the manifests before`
    report(working, 'lane.claim', { cut, reason })
  }
}

function compareRecords(working: Working, cut: CommittedManifest, places: readonly Place[]): void {
  const claims = new Map(cut.manifest.lanes.map(claim => [claim.lane, claim]))
  const seen = seenIn(places)
  for (const lane of new Set([...seen.keys(), ...claims.keys()])) {
    if (isTrue(claims.get(lane), seen.get(lane))) continue
    report(working, 'lane.claim', { cut, reason: `its records of lane ${lane} are not the ones it lists` })
  }
}

function finishLane(working: Working, lane: string, state: LaneState): void {
  const { missing, declared, at: cut } = state
  if (cut.manifest.topic !== topic.events) return
  if (missing.length > 0) {
    report(working, 'lane.missing', { cut, reason: `lane ${lane} lacks ${text(missing)} without a word` })
  }
  if (declared.length > 0) {
    report(working, 'lane.declared', { cut, reason: `lane ${lane} lost ${text(declared)} and says so` })
  }
  if (!working.ended.has(lane)) {
    report(working, 'lane.open', { cut, reason: `lane ${lane} has not ended: what came after is unknown` })
  }
}

/** An audit that reports to `findings`. */
export function createLaneAudit(findings: Findings): LaneAudit {
  const working: Working = { findings, lanes: new Map(), ended: new Set() }
  return {
    add(cut, places) {
      const { lanes, watermarks } = cut.manifest
      const marks = new Map(watermarks.map(mark => [mark.lane, mark]))
      for (const claim of lanes) addClaim(working, cut, { claim, mark: marks.get(claim.lane) })
      for (const mark of watermarks) if (mark.ended) working.ended.add(mark.lane)
      if (places !== undefined) compareRecords(working, cut, places)
    },
    finish() {
      for (const [lane, state] of working.lanes) finishLane(working, lane, state)
    },
  }
}
