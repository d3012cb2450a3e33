import type { Signal } from '@muniment/schema'
import type { Rule } from '../sigma/rule.ts'
import type { Observation } from './observation.ts'
import { bound, type PartitionState, type RateState } from './state.ts'

const mostPrincipals = 100_000
const mostPast = 48
/** Names of principals may come from their clients; what is kept of them is bounded. */
const longestKey = 512

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** Opens the next window: what was usual so far decides where it alarms. */
function open(rule: Rule, known: RateState | undefined, window: number): RateState {
  const { floor = 60, factor = 3, learn = 6, unlearned = 3_000 } = rule.settings
  const past = known === undefined ? [] : [...known.past, known.count].slice(-mostPast)
  const sorted = past.toSorted((left, right) => left - right)
  const [low, high] = [at(sorted, 0.1), at(sorted, 0.9)]
  const limit = past.length < learn ? unlearned : Math.max(floor, Math.ceil(high * factor))
  return { window, count: 0, limit, low, high, past }
}

function explain(rate: RateState, minutes: number, learn: number): string {
  const usual = rate.past.length < learn ? 'still learning what is usual' : `usual ${rate.low}–${rate.high}`
  return `${rate.count} calls in ${minutes} min and rising, ${usual}`
}

/** Calls per principal in fixed windows of event time; observes once per window that exceeds what was usual. */
export function observeRate(
  state: PartitionState,
  rule: Rule,
  signal: Signal,
): Pick<Observation, 'sentence' | 'evidence'> | undefined {
  const timeMs = Date.parse(signal.time)
  const { window: windowMs = 300_000, learn = 6 } = rule.settings
  const key = `${signal.tenant}\u{0}${signal.principal}`.slice(0, longestKey)
  const window = Math.floor(timeMs / windowMs)
  const known = state.rates.get(key)
  let rate = known
  if (rate === undefined || window > rate.window) {
    rate = open(rule, known, window)
    state.rates.delete(key)
    state.rates.set(key, rate)
    bound(state, 'rates', mostPrincipals)
  }
  rate.count += 1
  if (rate.count !== rate.limit + 1) return undefined
  return {
    sentence: `${signal.principal}: ${explain(rate, windowMs / 60_000, learn)}`,
    evidence: { count: rate.count, usual: [rate.low, rate.high], limit: rate.limit, window_ms: windowMs },
  }
}
