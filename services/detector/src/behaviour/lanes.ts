import type { Signal } from '@muniment/schema'
import type { Behaviour, Rule } from '../sigma/rule.ts'
import type { ClockStep } from './clock.ts'
import { bound, type PartitionState } from './state.ts'

const mostInstances = 20_000
const longestName = 256
const minuteMs = 60_000

/** What was noticed about an interceptor. */
export interface LaneNews {
  readonly rule: Rule
  readonly tenant: string
  readonly lane: string
  readonly timeMs: number
  readonly sentence: string
  readonly evidence: Readonly<Record<string, unknown>>
}

function shown(ms: number): string {
  const minutes = Math.round(ms / minuteMs)
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}

type Rules = ReadonlyMap<Behaviour, Rule>

function clockNews(
  rules: Rules,
  signal: Signal,
  { lane, before }: { readonly lane: string; readonly before: number | undefined },
): readonly LaneNews[] {
  const rule = rules.get('lane_clock')
  if (rule === undefined) return []
  const timeMs = Date.parse(signal.time)
  const { slack = 2 * minuteMs } = rule.settings
  const { ahead_ms: aheadMs = 0 } = signal
  const on = { rule, tenant: signal.tenant, lane, timeMs }
  if (before !== undefined && before - timeMs > slack) {
    const backMs = before - timeMs
    return [
      {
        ...on,
        sentence: `the clock of ${lane} went back by ${shown(backMs)}`,
        evidence: { back_ms: backMs },
      },
    ]
  }
  if (aheadMs <= slack) return []
  const sentence = `the clock of ${lane} is ${shown(aheadMs)} ahead of the bus`
  return [{ ...on, sentence, evidence: { ahead_ms: aheadMs } }]
}

/** Takes in a sign of life; tells where its clock has jumped. */
export function observeAlive(state: PartitionState, rules: Rules, signal: Signal): readonly LaneNews[] {
  const lane = signal.lane.slice(0, signal.lane.lastIndexOf('#'))
  const name = lane.slice(0, longestName)
  const timeMs = Date.parse(signal.time)
  const known = state.instances.get(name)
  state.instances.delete(name)
  const news = clockNews(rules, signal, { lane: name, before: known?.timeMs })
  if (signal.ends === true) return news
  const seenMs = timeMs - Math.max(0, signal.ahead_ms ?? 0)
  const { tenant } = signal
  state.instances.set(name, { tenant, sinceMs: known?.sinceMs ?? seenMs, seenMs, timeMs, isTold: false })
  bound(state, 'instances', mostInstances)
  return news
}

/** Tells of interceptors that gave signs of life for hours and then none, and did not say that they end. */
export function observeSilence(state: PartitionState, rules: Rules, clock: ClockStep): readonly LaneNews[] {
  const rule = rules.get('lane_silent')
  if (rule === undefined) return []
  const { silence = 15 * minuteMs, known = 360 * minuteMs } = rule.settings
  const awayMs = clock.fromMs === 0 ? 0 : clock.toMs - clock.fromMs
  const news: LaneNews[] = []
  for (const [lane, instance] of state.instances) {
    // Time in which nothing was observed at all is nobody's silence.
    if (awayMs > silence) instance.seenMs = Math.max(instance.seenMs, clock.toMs)
    const silentMs = clock.toMs - instance.seenMs
    if (instance.isTold || silentMs < silence || instance.seenMs - instance.sinceMs < known) continue
    instance.isTold = true
    const sentence = `${lane} has given no sign of life for ${shown(silentMs)}, and did not say that it ends`
    const evidence = { silent_ms: silentMs, alive_ms: instance.seenMs - instance.sinceMs }
    news.push({ rule, tenant: instance.tenant, lane, timeMs: clock.toMs, sentence, evidence })
  }
  return news
}
