import type { Signal } from '@muniment/schema'
import { bound, type PartitionState, type Tally } from './state.ts'

/** The length of a window in which calls of a tool are added up. */
export const windowMs = 300_000
const mostTallies = 50_000
const longestKey = 512
const longestName = 256
/** Durations are kept in steps of a half power of two, up to about an hour. */
const mostStep = 44

/** A tally of nothing. */
export function emptyTally(): Tally {
  return { calls: 0, errors: 0, bytes: 0, steps: {} }
}

function stepOf(durationMs: number): number {
  return Math.min(mostStep, Math.max(0, Math.round(Math.log2(Math.max(1, durationMs)) * 2)))
}

/** Adds one tally to another. */
export function addTally(to: Tally, from: Tally): void {
  to.calls += from.calls
  to.errors += from.errors
  to.bytes += from.bytes
  for (const [step, count] of Object.entries(from.steps)) to.steps[step] = (to.steps[step] ?? 0) + count
}

/** The duration that nine in ten calls stay below, to half a power of two; 0 where none was measured. */
export function slowestTenth({ steps }: Tally): number {
  const sorted = Object.entries(steps).toSorted(([left], [right]) => Number(left) - Number(right))
  const all = sorted.reduce((total, [, count]) => total + count, 0)
  let seen = 0
  for (const [step, count] of sorted) {
    seen += count
    if (seen >= all * 0.9) return Math.round(2 ** (Number(step) / 2))
  }
  return 0
}

/** Adds a call to what this partition has seen of its tool in its window. */
export function countCall(state: PartitionState, signal: Signal): void {
  const { tenant, server, target, outcome, duration_ms: durationMs } = signal
  if (server === undefined || signal.method !== 'tools/call' || target === undefined) return
  const window = Math.floor(Date.parse(signal.time) / windowMs)
  const [on, tool] = [server.slice(0, longestName), target.slice(0, longestName)]
  const key = [window, tenant, on, tool].join('\u{0}').slice(0, longestKey)
  const tally = state.tallies.get(key) ?? { ...emptyTally(), window, tenant, server: on, tool }
  tally.calls += 1
  if (outcome === 'tool_error' || outcome === 'rpc_error') tally.errors += 1
  tally.bytes += signal.response_bytes ?? 0
  if (durationMs !== undefined) {
    const step = stepOf(durationMs)
    tally.steps[step] = (tally.steps[step] ?? 0) + 1
  }
  state.tallies.set(key, tally)
  bound(state, 'tallies', mostTallies)
}

/** Hands over the tallies of windows that have passed: as signals, for the partition where their server is looked at as a whole. */
export function closeTallies(state: PartitionState, lane: string, clockMs: number): readonly Signal[] {
  const closed: Signal[] = []
  for (const [key, tally] of state.tallies) {
    if ((tally.window + 1) * windowMs > clockMs) continue
    state.tallies.delete(key)
    const { window, tenant, server, tool, ...sums } = tally
    closed.push({
      event_id: `${lane}:${state.tallySeq}`,
      time: new Date(window * windowMs).toISOString(),
      tenant,
      kind: 'heartbeat',
      principal: 'anonymous',
      server,
      target: tool,
      hits: [],
      tally: { window, ...sums },
      lane: `${lane}#tally`,
      seq: state.tallySeq,
    })
    state.tallySeq += 1
  }
  return closed
}
