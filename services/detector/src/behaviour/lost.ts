import type { Signal } from '@muniment/schema'
import { bound, type LostRanges, type PartitionState } from './state.ts'

const mostLanes = 10_000
const mostRanges = 32

/**
 * Notes that numbers are claimed to be lost. A claim of what lies behind what was seen here says nothing new: its batch came whole, and then
 * again, spoilt.
 */
export function noteLost(state: PartitionState, lanes: readonly string[], { gap }: Signal): void {
  if (gap === undefined) return
  for (const name of lanes) {
    if (gap.from_seq <= (state.watermarks.get(name)?.[0] ?? -1)) continue
    const known = state.lost.get(name) ?? []
    state.lost.delete(name)
    state.lost.set(name, [...known, [gap.from_seq, gap.to_seq] as const].slice(-mostRanges))
    bound(state, 'lost', mostLanes)
  }
}

/** Whether this number was claimed to be lost and has not come since. */
export function isLost(state: PartitionState, { lane, seq }: Signal): boolean {
  return state.lost.get(lane)?.some(([first, last]) => first <= seq && seq <= last) === true
}

function without([first, last]: LostRanges[number], seq: number): LostRanges {
  if (seq < first || last < seq) return [[first, last]]
  const parts: LostRanges = [
    [first, seq - 1],
    [seq + 1, last],
  ]
  return parts.filter(([from, to]) => from <= to)
}

/** Notes that this number has come. */
export function noteFound(state: PartitionState, { lane, seq }: Signal): void {
  const known = state.lost.get(lane)
  if (known === undefined) return
  const left = known.flatMap(range => without(range, seq))
  if (left.length === 0) state.lost.delete(lane)
  else state.lost.set(lane, left.slice(-mostRanges))
}
