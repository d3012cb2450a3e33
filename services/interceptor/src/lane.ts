import type { Clock } from './clock.ts'
import type { AdminAct, Entry, Exchange, Item } from './record.ts'
import type { Ring } from './ring.ts'

/** The numbering of one producer: every number is given out once and covered once, by a record or by a gap. */
export interface Lane {
  /** `<instance>/<epoch>` */
  readonly name: string
  /** Returns the number under which it will be found; none where it was lost. */
  readonly record: (exchange: Exchange) => number | undefined
  readonly act: (act: AdminAct) => void
  /** Repeats the last number to say that the producer lives; not while records that say so are waiting. */
  readonly alive: () => void
  /** Puts the record of what was lost into the ring, once there is room. */
  readonly settle: () => void
  /** Closes the lane: what comes later is not recorded any more. */
  readonly end: () => void
  readonly stats: () => LaneStats
}

/** How many records a lane was given and how many of them it lost. */
export interface LaneStats {
  readonly recorded: number
  readonly dropped: number
}

const overheadBytes = 512
/** After a loss nothing is taken until the ring has emptied to this share, so that one stall is one gap, not hundreds. */
const resumeBelow = 0.75

function exchangeBytes(exchange: Exchange): number {
  return overheadBytes + (exchange.request?.sizeBytes ?? 0) + (exchange.response?.sizeBytes ?? 0)
}

export interface LaneOptions {
  readonly name: string
  readonly ring: Ring<Entry>
  readonly ringMaxBytes: number
  readonly clock: Clock
  /** Called after something was put into the ring. */
  readonly onEntry: () => void
  /** Called when a loss begins. */
  readonly onLoss: () => void
}

interface State extends LaneOptions {
  nextSeq: number
  gapFrom: number | undefined
  isClosed: boolean
  recorded: number
  dropped: number
}

function force({ ring, onEntry }: State, seq: number, item: Item): void {
  ring.force({ seq, item, sizeBytes: overheadBytes })
  onEntry()
}

function settle(state: State): void {
  const { gapFrom: fromSeq, nextSeq } = state
  if (fromSeq === undefined) return
  const gap = { fromSeq, toSeq: nextSeq - 1, count: nextSeq - fromSeq, reason: 'ring_full' }
  state.gapFrom = undefined
  force(state, gap.toSeq, { type: 'gap', gap, timeMs: state.clock.nowMs() })
}

function lose(state: State): undefined {
  if (state.gapFrom === undefined) state.onLoss()
  state.gapFrom ??= state.nextSeq
  state.nextSeq += 1
  state.dropped += 1
  return undefined
}

function mark(state: State, laneState: 'start' | 'end'): void {
  settle(state)
  force(state, state.nextSeq, { type: 'lane', state: laneState, timeMs: state.clock.nowMs() })
  state.nextSeq += 1
}

function record(state: State, item: Item, sizeBytes: number): number | undefined {
  const { ring, ringMaxBytes } = state
  state.recorded += 1
  if (state.isClosed) {
    state.dropped += 1
    state.onLoss()
    return undefined
  }
  if (state.gapFrom !== undefined && ring.sizeBytes() > ringMaxBytes * resumeBelow) return lose(state)
  settle(state)
  const seq = state.nextSeq
  if (!ring.push({ seq, item, sizeBytes })) return lose(state)
  state.nextSeq += 1
  state.onEntry()
  return seq
}

/** Opens a lane: its first record says so. */
export function createLane(options: LaneOptions): Lane {
  const state: State = {
    ...options,
    nextSeq: 0,
    gapFrom: undefined,
    isClosed: false,
    recorded: 0,
    dropped: 0,
  }
  mark(state, 'start')
  return {
    name: options.name,
    record: exchange => record(state, { type: 'exchange', exchange }, exchangeBytes(exchange)),
    act: act => void record(state, { type: 'admin', act, timeMs: state.clock.nowMs() }, overheadBytes),
    alive: () => {
      if (state.isClosed || state.ring.length() > 0) return
      settle(state)
      force(state, state.nextSeq - 1, { type: 'lane', state: 'alive', timeMs: state.clock.nowMs() })
    },
    settle: () => settle(state),
    end: () => {
      if (state.isClosed) return
      mark(state, 'end')
      state.isClosed = true
    },
    stats: () => ({ recorded: state.recorded, dropped: state.dropped }),
  }
}
