import type { Signal } from '@muniment/schema'
import type { Behaviour, Rule } from '../sigma/rule.ts'
import { addDistinct, countDistinct, hashOfName } from '../stats/distinct.ts'
import { slotName, slotOf, slots } from '../stats/profile.ts'
import type { Observation } from './observation.ts'
import { bound, type PartitionState, type RateState } from './state.ts'

/** A principal has one per rule that counts its calls. */
const mostRates = 100_000
const mostPast = 48
/** Names of principals may come from their clients; what is kept of them is bounded. */
const longestKey = 512
const longestName = 64
/** How fast an hour of the day forgets what it used to bring. */
const follow = 0.3

/** What of a principal's calls is added up in windows, and how people read it. */
interface Metric {
  readonly behaviour: Behaviour
  /** What the signal adds, 0 where nothing. */
  readonly amount: (signal: Signal) => number
  /** What is counted once a window, in place of amounts: hashes of 32 bits. */
  readonly name?: (signal: Signal) => number | undefined
  readonly shown: (amount: number) => string
}

function isFailure({ outcome }: Signal): boolean {
  return outcome === 'tool_error' || outcome === 'rpc_error' || outcome === 'denied'
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e5) / 10} MB`
}

const metrics: readonly Metric[] = [
  { behaviour: 'rate', amount: () => 1, shown: count => `${count} calls` },
  {
    behaviour: 'errors',
    amount: signal => (isFailure(signal) ? 1 : 0),
    shown: count => `${count} failed calls`,
  },
  {
    behaviour: 'volume',
    amount: signal => signal.response_bytes ?? 0,
    shown: bytes => `${megabytes(bytes)} of results`,
  },
  {
    behaviour: 'fanout',
    amount: () => 1,
    name: ({ server = '', target }) =>
      target === undefined ? undefined : hashOfName(`${server}/${target}`.slice(0, longestName)),
    shown: count => `${count} different tools`,
  },
  {
    behaviour: 'targets',
    amount: () => 1,
    name: ({ args }) => args,
    shown: count => `${count} different requests`,
  },
]

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** What an hour used to bring; `byHour` holds only the hours that brought anything, `value * slots + hour` each, for most principals know few. */
function usualAt(byHour: readonly number[], hour: number): number {
  const found = byHour.find(each => each % slots === hour)
  return found === undefined ? 0 : Math.floor(found / slots)
}

function withUsual(byHour: readonly number[], hour: number, value: number): number[] {
  const others = byHour.filter(each => each % slots !== hour)
  return value > 0 ? [...others, value * slots + hour] : others
}

/** Keeps what a window brought: among the newest ones, and for its hour of the day. */
function close(known: RateState, windowMs: number): Pick<RateState, 'past' | 'byHour'> {
  const hour = slotOf(known.window * windowMs)
  const usual = usualAt(known.byHour, hour)
  const next = known.count > usual ? known.count : usual + follow * (known.count - usual)
  return {
    past: [...known.past, known.count].slice(-mostPast),
    byHour: withUsual(known.byHour, hour, Math.round(next)),
  }
}

/** Opens the next window: what was usual of late, and at this hour of the day, decides where it alarms. */
function open(rule: Rule, known: RateState | undefined, window: number): RateState {
  const { floor = 60, factor = 3, learn = 6, unlearned = 3_000, window: windowMs = 300_000 } = rule.settings
  const { past, byHour } = known === undefined ? { past: [], byHour: [] } : close(known, windowMs)
  const sorted = past.toSorted((left, right) => left - right)
  const [low, high] = [at(sorted, 0.1), Math.max(at(sorted, 0.9), usualAt(byHour, slotOf(window * windowMs)))]
  const limit = past.length < learn ? unlearned : Math.max(floor, Math.ceil(high * factor))
  return { window, count: 0, limit, low, high, past, byHour, seen: [], isTold: false }
}

function explain({ shown }: Metric, rate: RateState, rule: Rule): string {
  const { learn = 6, window: windowMs = 300_000 } = rule.settings
  const isLearning = rate.past.length < learn
  const usual = isLearning
    ? 'still learning what is usual'
    : `usual ${shown(rate.low)} to ${shown(rate.high)} ${slotName(slotOf(rate.window * windowMs))}`
  return `${shown(rate.count)} in ${windowMs / 60_000} min and rising, ${usual}`
}

function rateOf(state: PartitionState, rule: Rule, signal: Signal): RateState {
  const key = `${rule.behaviour ?? ''}\u{0}${signal.tenant}\u{0}${signal.principal}`.slice(0, longestKey)
  const window = Math.floor(Date.parse(signal.time) / (rule.settings['window'] ?? 300_000))
  const known = state.rates.get(key)
  if (known !== undefined && window <= known.window) return known
  const rate = open(rule, known, window)
  state.rates.delete(key)
  state.rates.set(key, rate)
  bound(state, 'rates', mostRates)
  return rate
}

/** Whether the signal opens a window: quiet ones are part of what is usual, but not those without failure or without a name. */
function isCounted(metric: Metric, signal: Signal): boolean {
  if (metric.name !== undefined) return metric.name(signal) !== undefined
  return metric.behaviour !== 'errors' || metric.amount(signal) > 0
}

function add(rate: RateState, metric: Metric, signal: Signal): void {
  if (metric.name === undefined) {
    rate.count += metric.amount(signal)
    return
  }
  const name = metric.name(signal)
  if (name === undefined || !addDistinct(rate.seen, name)) return
  rate.count = countDistinct(rate.seen)
}

/** What was noticed about a principal's calls. */
export interface RateNews extends Pick<Observation, 'sentence' | 'evidence'> {
  readonly rule: Rule
}

/** Adds a call to its principal's windows of event time; tells once per window of each that exceeds what was usual. */
export function observeRates(
  state: PartitionState,
  rules: ReadonlyMap<Behaviour, Rule>,
  signal: Signal,
): readonly RateNews[] {
  return metrics.flatMap(metric => {
    const rule = rules.get(metric.behaviour)
    if (rule === undefined || !isCounted(metric, signal)) return []
    const rate = rateOf(state, rule, signal)
    add(rate, metric, signal)
    if (rate.isTold || rate.count <= rate.limit) return []
    rate.isTold = true
    const { count, low, high, limit } = rate
    const evidence = { count, usual: [low, high], limit, window_ms: rule.settings['window'] ?? 300_000 }
    return [{ rule, sentence: `${signal.principal}: ${explain(metric, rate, rule)}`, evidence }]
  })
}
