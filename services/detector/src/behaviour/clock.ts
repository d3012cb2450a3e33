import type { Signal } from '@muniment/schema'
import type { PartitionState } from './state.ts'

const minuteMs = 60_000
const mostClocks = 1_024
/** A partition of events whose clock stays behind for longer is not waited for. */
const mostBehindMs = 30 * minuteMs

/** How far the clock of events has moved. */
export interface ClockStep {
  /** 0 where it was never seen before. */
  readonly fromMs: number
  readonly toMs: number
}

/** Moves the clock by the tick of one partition of events: it shows what the slowest of them has reached. Nothing of this looks at the time of day, so that a replay finds the same. */
export function moveClock(state: PartitionState, { lane, time }: Signal): ClockStep | undefined {
  state.ticks.set(lane, Date.parse(time))
  const newest = Math.max(...state.ticks.values())
  for (const [other, timeMs] of state.ticks)
    if (newest - timeMs > mostBehindMs || state.ticks.size > mostClocks) state.ticks.delete(other)
  const toMs = Math.min(...state.ticks.values())
  const fromMs = state.clockMs
  if (toMs <= fromMs) return undefined
  state.clockMs = toMs
  return { fromMs, toMs }
}
