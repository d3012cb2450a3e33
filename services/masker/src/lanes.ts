import { AppError, laneOf, type BatchHeaders, type Observation } from '@muniment/schema'

/** What the masker remembers of a lane since it was given its partition: enough to drop most duplicates, never proof of how far the lane has come. */
interface LaneState {
  /** The number after the last event that was published. */
  readonly nextSeq: number
  readonly tenant: string
}

/** Lanes remembered per partition; the one unused for longest is forgotten, which costs duplicates downstream, never a loss. */
const maxLanes = 50_000

/** Bounded memory of the lanes of one partition. */
export interface Lanes {
  readonly get: (lane: string) => LaneState | undefined
  readonly set: (lane: string, state: LaneState) => void
}

export function createLanes(): Lanes {
  const states = new Map<string, LaneState>()
  function set(lane: string, state: LaneState): void {
    states.delete(lane)
    states.set(lane, state)
    if (states.size <= maxLanes) return
    const [oldest] = states.keys()
    if (oldest !== undefined) states.delete(oldest)
  }
  return { get: lane => states.get(lane), set }
}

const maxGivenUpLanes = 1000
const maxGivenUpRanges = 32

/** Bounded memory of numbers that were given up, so that a whole batch that comes for them, however late, is no duplicate. */
export interface GivenUp {
  readonly add: (lane: string, firstSeq: number, lastSeq: number) => void
  readonly has: (lane: string, seq: number) => boolean
}

export function createGivenUp(): GivenUp {
  const byLane = new Map<string, readonly (readonly [first: number, last: number])[]>()
  function add(lane: string, firstSeq: number, lastSeq: number): void {
    const ranges = byLane.get(lane) ?? []
    byLane.delete(lane)
    byLane.set(lane, [...ranges, [firstSeq, lastSeq] as const].slice(-maxGivenUpRanges))
    const [oldest] = byLane.keys()
    if (byLane.size > maxGivenUpLanes && oldest !== undefined) byLane.delete(oldest)
  }
  function has(lane: string, seq: number): boolean {
    return byLane.get(lane)?.some(([first, last]) => first <= seq && seq <= last) === true
  }
  return { add, has }
}

/**
 * Checks that a batch holds exactly what its headers say: events of its lane, numbered from first to last without a hole.
 * Throws `BATCH_MALFORMED`: a producer cannot write into a lane, or skip numbers, unseen.
 */
export function checkLane(headers: BatchHeaders, observations: readonly Observation[]): void {
  let expected = headers.firstSeq
  for (const { source, gap, lane } of observations) {
    if (laneOf(source) !== headers.lane)
      throw new AppError('BATCH_MALFORMED', 'A batch holds an event of another lane.')
    const from = gap?.from_seq ?? source.seq
    const isRepeat = lane?.state === 'alive' && source.seq === expected - 1
    if (from !== expected && !isRepeat)
      throw new AppError('BATCH_MALFORMED', `A batch has event ${from} where ${expected} is due.`)
    expected = Math.max(expected, source.seq + 1)
  }
  if (expected !== headers.lastSeq + 1)
    throw new AppError(
      'BATCH_MALFORMED',
      `A batch ends at ${expected - 1}, its header says ${headers.lastSeq}.`,
    )
}
