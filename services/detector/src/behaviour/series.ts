import type { Signal } from '@muniment/schema'
import type { Behaviour, Rule } from '../sigma/rule.ts'
import { slotName, slotOf, slots } from '../stats/profile.ts'
import { bound, type PartitionState, type SeriesState, type Tally } from './state.ts'
import { addTally, emptyTally, slowestTenth, windowMs } from './tally.ts'

const mostSeries = 20_000
const longestKey = 600
/** Windows that wait for the parts of other partitions. */
const mostOpen = 6
/** How fast what is usual follows. */
const follow = 0.05
/** Windows of an hour of the week's rhythm that must have been seen before any call is due in it: those of one day. */
const fewestOfHour = 12
/** Fewer calls in a window say nothing about shares and quantiles. */
const fewest = 10

/** What was noticed about a server or one of its tools. */
export interface SeriesNews {
  readonly rule: Rule
  readonly tenant: string
  readonly server: string
  readonly tool: string | undefined
  readonly timeMs: number
  readonly sentence: string
  readonly evidence: Readonly<Record<string, unknown>>
}

/** A level that is followed per tool. */
interface Level {
  readonly behaviour: Behaviour
  readonly of: (tally: Tally) => number
  readonly floor: number
  readonly shown: (value: number) => string
}

const levels: readonly Level[] = [
  {
    behaviour: 'tool_errors',
    of: ({ calls, errors }) => errors / calls,
    floor: 0.3,
    shown: share => `${Math.round(share * 100)} % of calls failed`,
  },
  {
    behaviour: 'tool_latency',
    of: slowestTenth,
    floor: 500,
    shown: ms => `the slowest tenth of calls took ${Math.round(ms)} ms or more`,
  },
  {
    behaviour: 'tool_bytes',
    of: ({ calls, bytes }) => bytes / calls,
    floor: 100_000,
    shown: bytes => `a result had ${Math.round(bytes / 1_000)} kB`,
  },
]

type Rules = ReadonlyMap<Behaviour, Rule>

function seriesOf(state: PartitionState, key: string, { tenant, server = '', target }: Signal): SeriesState {
  const isServer = !key.includes('\u{1}')
  const known = state.series.get(key) ?? {
    tenant,
    server,
    tool: isServer ? undefined : target,
    judged: -1,
    windows: 0,
    open: [],
    usual: [],
    above: [],
    profile: isServer ? Array.from({ length: slots }, () => 0) : [],
    seen: isServer ? Array.from({ length: slots }, () => 0) : [],
    missing: 0,
    longest: 0,
    isSilent: false,
  }
  state.series.delete(key)
  state.series.set(key, known)
  bound(state, 'series', mostSeries)
  return known
}

function addTo(series: SeriesState, window: number, tally: Tally): void {
  // What comes after its window was judged would be half a window.
  if (window <= series.judged) return
  let open = series.open.find(each => each.window === window)
  if (open === undefined) {
    open = { window, ...emptyTally() }
    series.open.push(open)
    if (series.open.length > mostOpen) series.open.shift()
  }
  addTally(open, tally)
}

/** Takes in what one partition saw of one tool in one window. */
export function takeTally(state: PartitionState, signal: Signal): void {
  const { tally, tenant, server = '', target = '' } = signal
  if (tally === undefined) return
  const key = `${tenant}\u{0}${server}`
  addTo(seriesOf(state, key.slice(0, longestKey), signal), tally.window, tally)
  addTo(seriesOf(state, `${key}\u{1}${target}`.slice(0, longestKey), signal), tally.window, tally)
}

const usualLimits = { factor: 4, learn: 24, windows: 2 }

function judgeLevel(
  series: SeriesState,
  index: number,
  on: { rule: Rule; tally: Tally },
): string | undefined {
  const level = levels[index]
  if (level === undefined || on.tally.calls < fewest) return undefined
  const { floor, factor, learn, windows } = { ...usualLimits, floor: level.floor, ...on.rule.settings }
  const value = level.of(on.tally)
  const usual = series.usual[index] ?? value
  const before = series.above[index] ?? 0
  const above = value >= Math.max(floor, usual * factor) ? before + 1 : 0
  series.above[index] = above
  series.usual[index] = usual + follow * (value - usual)
  if (series.windows < learn || above !== windows) return undefined
  return `${level.shown(value)}, usual is: ${level.shown(usual)}`
}

function newsOf(
  series: SeriesState,
  rule: Rule,
  on: { window: number; what: string; count: number },
): SeriesNews {
  const { tenant, server, tool } = series
  const name = tool === undefined ? server : `${server}, tool ${tool}`
  return {
    rule,
    tenant,
    server,
    tool,
    timeMs: (on.window + 1) * windowMs,
    sentence: `${name}: ${on.what}`,
    evidence: { count: on.count, windows: series.windows, window_ms: windowMs },
  }
}

function judgeTool(
  series: SeriesState,
  rules: Rules,
  { window, ...tally }: SeriesState['open'][number],
): SeriesNews[] {
  if (tally.calls >= fewest) series.windows += 1
  return levels.flatMap(({ behaviour }, index) => {
    const rule = rules.get(behaviour)
    const what = rule && judgeLevel(series, index, { rule, tally })
    if (rule === undefined || what === undefined) return []
    return [
      newsOf(series, rule, { window, what: `${what} (${tally.calls} calls in 5 min)`, count: tally.calls }),
    ]
  })
}

/** The mean of the windows of this hour so far; later, of about the last fifty, so that even a long silence is learnt only slowly. */
function learnHour(series: SeriesState, slot: number, calls: number): number {
  const usual = series.profile[slot] ?? 0
  const seen = (series.seen[slot] ?? 0) + 1
  series.seen[slot] = seen
  series.profile[slot] = usual + Math.max(0.02, 1 / seen) * (calls - usual)
  return seen > fewestOfHour ? usual : 0
}

const silenceLimits = { expected: 40, factor: 3, learn: 288 }

/** Adds up the calls that were usual at this hour and did not come; more of them than in any earlier pause, several times over, are silence. */
function judgeServer(series: SeriesState, rules: Rules, on: { window: number; calls: number }): SeriesNews[] {
  const slot = slotOf(on.window * windowMs)
  const usual = learnHour(series, slot, on.calls)
  series.windows += 1
  const rule = rules.get('server_silence')
  const { expected, factor, learn } = { ...silenceLimits, ...rule?.settings }
  if (on.calls > 0) {
    series.longest = Math.max(series.longest * (1 - 1 / learn), series.missing)
    Object.assign(series, { missing: 0, isSilent: false })
    return []
  }
  series.missing += usual
  const isLearnt = rule !== undefined && series.windows >= learn
  if (!isLearnt || series.isSilent || series.missing < Math.max(expected, series.longest * factor)) return []
  series.isSilent = true
  const count = Math.round(series.missing)
  const what = `no call since ${count} were due (usual ${Math.round(usual)} in 5 min ${slotName(slot)})`
  return [newsOf(series, rule, { window: on.window, what, count })]
}

function judgeWindow(series: SeriesState, rules: Rules, window: number): SeriesNews[] {
  const at = series.open.findIndex(each => each.window === window)
  const [tally] = at < 0 ? [] : series.open.splice(at, 1)
  series.judged = window
  if (series.tool !== undefined) return tally === undefined ? [] : judgeTool(series, rules, tally)
  return judgeServer(series, rules, { window, calls: tally?.calls ?? 0 })
}

/** The windows to judge up to `last`: all of them, or, after time in which nothing was observed at all, those in which there were calls. */
function dueWindows({ judged, open }: SeriesState, last: number, isGap: boolean): readonly number[] {
  const called = open.map(({ window }) => window).filter(window => window <= last)
  if (judged < 0 || isGap) return called.toSorted((left, right) => left - right)
  return Array.from({ length: last - judged }, (_, index) => judged + 1 + index)
}

/** Judges the windows that are complete, now that the clock has come there. Time in which nothing was observed at all is nobody's silence. */
export function judgeSeries(
  state: PartitionState,
  rules: Rules,
  clock: { readonly fromMs: number; readonly toMs: number },
): readonly SeriesNews[] {
  // One window's time for the parts of other partitions to arrive.
  const last = Math.floor(clock.toMs / windowMs) - 2
  const isGap = clock.toMs - clock.fromMs > mostOpen * windowMs
  const news: SeriesNews[] = []
  for (const series of state.series.values()) {
    if (series.judged >= last) continue
    for (const window of dueWindows(series, last, isGap)) news.push(...judgeWindow(series, rules, window))
    series.judged = last
  }
  return news
}
