import {
  intersectRange,
  mergeRanges,
  subtractRange,
  subtractRanges,
  type Range,
  type RangeSet,
} from './ranges.ts'

/** What a record says about its place among its producer's records. */
export type Place =
  /** Not of a lane; `id`, where there is one, is the same whenever the record is published again. */
  | { readonly kind: 'none'; readonly id?: string }
  | { readonly kind: 'event'; readonly lane: string; readonly seq: number; readonly endsLane: boolean }
  /** The producer's word that `fromSeq` to `seq` are lost; or the masker's, which is only a claim of the headers of a batch that nobody can open. */
  | {
      readonly kind: 'gap'
      readonly lane: string
      readonly fromSeq: number
      readonly seq: number
      readonly isClaim: boolean
    }
  /** A heartbeat: repeats the last `seq` and takes no number. */
  | { readonly kind: 'alive'; readonly lane: string; readonly seq: number; readonly timeMs: number }

/** How far a lane has come; carried from manifest to manifest so that a restarted archiver needs only the newest. */
export interface Watermark {
  readonly lane: string
  /** The lowest number above all that have been seen. */
  readonly next: number
  /** Numbers below `next` that nobody has accounted for. */
  readonly missing: RangeSet
  /** Numbers below `next` that are known to be lost; they may still be mended. */
  readonly declared: RangeSet
  /** Time of the newest heartbeat. */
  readonly alive_ms: number
  /** When the archiver last saw the lane; after the bus has forgotten it, so may we. */
  readonly seen_ms: number
  readonly ended: boolean
}

/** What one cut adds to a lane. */
export interface LaneCut {
  readonly lane: string
  /** Numbers of the events in this cut. */
  readonly ranges: RangeSet
  /** Numbers that a gap event in this cut declares lost. */
  readonly declared: RangeSet
  /** Numbers that this cut jumped over without a word. */
  readonly missing: RangeSet
}

interface Step {
  readonly state: Watermark
  readonly ranges: readonly Range[]
  readonly declared: readonly Range[]
}

function contains(set: RangeSet, seq: number): boolean {
  return set.some(([first, last]) => first <= seq && seq <= last)
}

/** Moves `next` above `to`; what lies between and is not in `[from, to]` is missing from now on. */
function advance(state: Watermark, from: number, to: number): Watermark {
  const { next, missing } = state
  if (to < next) return state
  return { ...state, next: to + 1, missing: from > next ? [...missing, [next, from - 1]] : missing }
}

function onEvent(state: Watermark, seq: number): Step | undefined {
  if (seq >= state.next) return { state: advance(state, seq, seq), ranges: [[seq, seq]], declared: [] }
  if (!contains(state.missing, seq) && !contains(state.declared, seq)) return undefined
  const mended = {
    ...state,
    missing: subtractRange(state.missing, [seq, seq]),
    declared: subtractRange(state.declared, [seq, seq]),
  }
  return { state: mended, ranges: [[seq, seq]], declared: [] }
}

function onGap(state: Watermark, fromSeq: number, seq: number): Step | undefined {
  const known = intersectRange(state.missing, [fromSeq, seq])
  const above: readonly Range[] = seq >= state.next ? [[Math.max(fromSeq, state.next), seq]] : []
  const declared = [...known, ...above]
  if (declared.length === 0) return undefined
  const moved = advance(state, fromSeq, seq)
  const next = {
    ...moved,
    missing: subtractRanges(moved.missing, known),
    declared: mergeRanges([...state.declared, ...declared]),
  }
  return { state: next, ranges: [], declared }
}

function onAlive(state: Watermark, seq: number, timeMs: number): Step | undefined {
  if (timeMs <= state.alive_ms) return undefined
  return { state: { ...advance(state, seq + 1, seq), alive_ms: timeMs }, ranges: [], declared: [] }
}

function step(state: Watermark, place: Exclude<Place, { kind: 'none' }>): Step | undefined {
  // Whoever may publish can forge a claim: it fills the next numbers at most, and never makes numbers missing that are still to come.
  if (place.kind === 'gap' && place.isClaim && place.fromSeq > state.next) return undefined
  if (place.kind === 'gap') return onGap(state, place.fromSeq, place.seq)
  if (place.kind === 'alive') return onAlive(state, place.seq, place.timeMs)
  const next = onEvent(state, place.seq)
  if (next === undefined || !place.endsLane) return next
  return { ...next, state: { ...next.state, ended: true } }
}

interface OpenLane {
  state: Watermark
  readonly before: Watermark
  readonly ranges: Range[]
  readonly declared: Range[]
}

/** Decides, record by record, what is new, and sums up what a cut adds. */
export interface LaneTracker {
  /** `false`: the archive has this record already, or it is a claim that cannot be true yet. */
  readonly accept: (place: Place) => boolean
  readonly lanes: () => readonly LaneCut[]
  readonly watermarks: () => readonly Watermark[]
  readonly recentIds: () => readonly string[]
}

/** Where the previous cut left off. */
export interface LaneMemory {
  readonly watermarks: readonly Watermark[]
  /** Ids of the newest records without a lane, oldest first. */
  readonly recentIds: readonly string[]
}

/** How the tracker forgets. */
export interface LaneOptions {
  readonly nowMs: number
  /** Longer than the bus keeps what a lane's records are made from. */
  readonly laneMemoryMs: number
}

const rememberedIds = 512

function newLane(lane: string): Watermark {
  return { lane, next: 0, missing: [], declared: [], alive_ms: -1, seen_ms: 0, ended: false }
}

function sumUp({ state, before, ranges, declared }: OpenLane): LaneCut {
  return {
    lane: state.lane,
    ranges: mergeRanges(ranges),
    // What was declared and then came after all is no longer lost.
    declared: subtractRanges(mergeRanges(declared), mergeRanges(ranges)),
    missing: subtractRanges(state.missing, before.missing),
  }
}

function trackIds(
  known: readonly string[],
): Pick<LaneTracker, 'recentIds'> & { isNew: (id: string) => boolean } {
  const ids = new Set(known)
  return {
    isNew(id) {
      if (ids.has(id)) return false
      ids.add(id)
      return true
    },
    recentIds: () => [...ids].slice(-rememberedIds),
  }
}

/** A tracker that goes on from `memory`. */
export function createLaneTracker(memory: LaneMemory, options: LaneOptions): LaneTracker {
  const known = new Map(memory.watermarks.map(state => [state.lane, state]))
  const touched = new Map<string, OpenLane>()
  const ids = trackIds(memory.recentIds)
  const laneAt = (name: string): OpenLane => {
    const open = touched.get(name)
    if (open !== undefined) return open
    const before = known.get(name) ?? newLane(name)
    const fresh: OpenLane = { state: { ...before, seen_ms: options.nowMs }, before, ranges: [], declared: [] }
    touched.set(name, fresh)
    return fresh
  }
  return {
    accept(place) {
      if (place.kind === 'none') return place.id === undefined || ids.isNew(place.id)
      const lane = laneAt(place.lane)
      const next = step(lane.state, place)
      if (next === undefined) return false
      lane.state = next.state
      lane.ranges.push(...next.ranges)
      lane.declared.push(...next.declared)
      return true
    },
    lanes: () => [...touched.values()].map(sumUp).filter(isNews),
    watermarks() {
      const oldest = options.nowMs - options.laneMemoryMs
      const kept = memory.watermarks.filter(({ lane, seen_ms }) => !touched.has(lane) && seen_ms >= oldest)
      return [...kept, ...[...touched.values()].map(({ state }) => state)]
    },
    recentIds: ids.recentIds,
  }
}

function isNews({ ranges, declared, missing }: LaneCut): boolean {
  return ranges.length + declared.length + missing.length > 0
}
