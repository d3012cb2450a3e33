import { AppError, laneOf, type BatchHeaders, type Observation } from '@muniment/schema'

/**
 * What the masker remembers of a lane: the newest numbers without a hole that it has published itself since it was given the partition.
 * It drops them when they come again; for all others it cannot know, and leaves that to those who read.
 */
interface LaneState {
  readonly firstSeq: number
  readonly nextSeq: number
  readonly tenant: string
}

/** Lanes remembered per partition; the one unused for longest is forgotten, which costs duplicates downstream, never a loss. */
const maxLanes = 50_000

/** Bounded memory of the lanes of one partition. */
export interface Lanes {
  readonly get: (lane: string) => LaneState | undefined
  /** Whether this number was published before. */
  readonly has: (lane: string, seq: number) => boolean
  /** Remembers a batch that was published; what lies before a hole is forgotten. */
  readonly add: (
    lane: string,
    batch: { readonly firstSeq: number; readonly lastSeq: number; readonly tenant: string },
  ) => void
}

function join(known: LaneState | undefined, batch: LaneState): LaneState {
  if (known === undefined || batch.firstSeq > known.nextSeq) return batch
  if (batch.nextSeq < known.firstSeq) return known
  const { tenant } = batch
  const firstSeq = Math.min(known.firstSeq, batch.firstSeq)
  return { firstSeq, nextSeq: Math.max(known.nextSeq, batch.nextSeq), tenant }
}

export function createLanes(): Lanes {
  const states = new Map<string, LaneState>()
  function has(lane: string, seq: number): boolean {
    const known = states.get(lane)
    return known !== undefined && known.firstSeq <= seq && seq < known.nextSeq
  }
  function add(lane: string, { firstSeq, lastSeq, tenant }: Parameters<Lanes['add']>[1]): void {
    const known = states.get(lane)
    states.delete(lane)
    states.set(lane, join(known, { firstSeq, nextSeq: lastSeq + 1, tenant }))
    if (states.size <= maxLanes) return
    const [oldest] = states.keys()
    if (oldest !== undefined) states.delete(oldest)
  }
  return { get: lane => states.get(lane), has, add }
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
