import { createSecretKey, randomBytes } from 'node:crypto'
import type { MunimentEvent } from '@muniment/schema'
import type { ToolLabels } from './flow/labels.ts'
import { isPutAside } from './put-aside.ts'
import { createReplay } from './replay.ts'
import type { RulePack } from './sigma/pack.ts'

/** How often a rule would have fired on past events. */
export interface BacktestLine {
  readonly rule: string
  /** Events that it matched, or observations of a rule on many events. */
  readonly matches: number
  /** Notifications, after grouping. */
  readonly notifications: number
  /** Distinct groups, and those that matched most. */
  readonly groups: number
  readonly topGroups: readonly { readonly group: string; readonly count: number }[]
}

/** What a pack would have done. */
export interface Backtest {
  readonly events: number
  /** Events that would have been put aside as dead letters: rules compare too much, or fail at them. */
  readonly putAside: number
  readonly rules: readonly BacktestLine[]
}

const mostShown = 5

function lineOf(rule: string, groups: ReadonlyMap<string, number>, counts: Counts): BacktestLine {
  const top = [...groups].toSorted(([, left], [, right]) => right - left).slice(0, mostShown)
  return {
    rule,
    matches: counts.matches.get(rule) ?? [...groups.values()].reduce((total, count) => total + count, 0),
    notifications: counts.notifications.get(rule) ?? 0,
    groups: groups.size,
    topGroups: top.map(([group, count]) => ({ group, count })),
  }
}

interface Counts {
  readonly matches: Map<string, number>
  readonly notifications: Map<string, number>
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

/** Runs a pack over past events, oldest first: how often each rule would have fired, how often somebody would have been told, and about whom. */
export async function backtestRules(
  pack: RulePack,
  events: AsyncIterable<MunimentEvent> | Iterable<MunimentEvent>,
  labels?: ToolLabels,
): Promise<Backtest> {
  const replay = createReplay(pack, createSecretKey(randomBytes(32)), labels)
  const counts: Counts = { matches: new Map(), notifications: new Map() }
  let [seen, putAside] = [0, 0]
  for await (const event of events) {
    seen += 1
    try {
      const { fired, alerts } = replay.next(event)
      for (const { rule } of fired) add(counts.matches, rule.name)
      for (const alert of alerts) add(counts.notifications, alert.finding_info.analytic.name ?? '')
    } catch (error) {
      if (!isPutAside(error)) throw error
      putAside += 1
    }
  }
  return { events: seen, putAside, rules: linesOf(pack, replay.state.groups, counts) }
}

function linesOf(
  pack: RulePack,
  groups: ReadonlyMap<string, { readonly count: number }>,
  counts: Counts,
): readonly BacktestLine[] {
  const byRule = new Map<string, Map<string, number>>()
  for (const [key, { count }] of groups) {
    const [rule = '', ...group] = key.split('|')
    const own = byRule.get(rule) ?? new Map<string, number>()
    byRule.set(rule, own.set(group.join('|'), count))
  }
  return pack.rules
    .map(({ name }) => lineOf(name, byRule.get(name) ?? new Map(), counts))
    .toSorted((left, right) => right.notifications - left.notifications || right.matches - left.matches)
}
