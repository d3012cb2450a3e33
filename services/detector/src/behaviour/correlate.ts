import type { Hit, Signal } from '@muniment/schema'
import { mostCounted } from '../sigma/correlation.ts'
import { fieldIn, type Link } from '../sigma/link.ts'
import type { Rule } from '../sigma/rule.ts'
import { bound, type Entry, type PartitionState } from './state.ts'

const mostKeys = 50_000
const longestKey = 512

/** What a correlation found. */
export interface Correlated {
  readonly link: Link
  /** The values that the events have in common. */
  readonly group: string
  readonly sentence: string
  readonly evidence: Readonly<Record<string, unknown>>
}

type Values = (field: string) => string | number | undefined

interface Match {
  readonly rule: Rule
  readonly values: Values
}

/** The fields of a signal that every correlation may use. */
function valueOf(signal: Signal, hit: Hit, field: string): string | number | undefined {
  const own: Readonly<Record<string, string | number | undefined>> = {
    tenant: signal.tenant,
    principal: signal.principal,
    server: signal.server,
    'server.id': signal.server,
    'server.name': signal.server,
    client: signal.client,
    'client.name': signal.client,
    target: signal.target,
    tool: signal.target,
    method: signal.method,
    kind: signal.kind,
    outcome: signal.outcome,
    duration_ms: signal.duration_ms,
    'request.size_bytes': signal.request_bytes,
    'response.size_bytes': signal.response_bytes,
  }
  return Object.hasOwn(own, field) ? own[field] : hit.fields?.[field]
}

function groupOf({ correlation: { groupBy } }: Link, values: Values): readonly string[] | undefined {
  const found = groupBy.map(values)
  // Events without a value to group by belong to no group.
  return found.every(value => value !== undefined) ? found.map(String) : undefined
}

/** Adds an event in its place by time, and drops what the window has left behind. */
function extend(entries: readonly Entry[], entry: Entry, timespanMs: number): readonly Entry[] {
  const newest = Math.max(entry[0], entries.at(-1)?.[0] ?? 0)
  const kept = entries.filter(([timeMs]) => timeMs > newest - timespanMs)
  let at = kept.length
  while (at > 0 && (kept[at - 1]?.[0] ?? 0) > entry[0]) at -= 1
  return entry[0] > newest - timespanMs ? kept.toSpliced(at, 0, entry).slice(-mostCounted) : kept
}

function numbersOf(entries: readonly Entry[]): readonly number[] {
  return entries.flatMap(([, , value]) => (typeof value === 'number' ? [value] : []))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

function quantile(numbers: readonly number[], share: number): number | undefined {
  const sorted = numbers.toSorted((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

/** Whether the rules were seen one after the other, in the order they are named. */
function isInOrder(entries: readonly Entry[], count: number): boolean {
  let next = 0
  for (const [, member] of entries) if (member === next) next += 1
  return next >= count
}

/** What the condition compares; `undefined` where there is nothing to compare. */
function measure({ correlation, members }: Link, entries: readonly Entry[]): number | undefined {
  const { type, percentile } = correlation
  if (type === 'event_count') return entries.length
  if (type === 'value_count') return new Set(entries.flatMap(([, , value]) => value ?? [])).size
  if (type === 'temporal') return new Set(entries.map(([, member]) => member)).size
  if (type === 'temporal_ordered') return isInOrder(entries, members.length) ? members.length : 0
  const numbers = numbersOf(entries)
  if (numbers.length === 0) return undefined
  if (type === 'value_sum') return sum(numbers)
  if (type === 'value_avg') return sum(numbers) / numbers.length
  return quantile(numbers, type === 'value_median' ? 0.5 : percentile / 100)
}

function isMet(link: Link, entries: readonly Entry[], measured: number): boolean {
  const { correlation, members } = link
  if (!correlation.type.startsWith('temporal')) return correlation.isMet(measured)
  if (correlation.seen === undefined) return measured === members.length
  const seen = new Set(entries.map(([, member]) => correlation.rules[member]))
  return correlation.seen.test(name => (seen.has(name) ? true : undefined))
}

const units: Readonly<Record<string, string>> = {
  event_count: 'events',
  value_sum: 'in sum',
  value_avg: 'on average',
  value_median: 'in the middle',
}

function explain({ rule, correlation, members }: Link, measured: number, group: string): string {
  const { type, field = '', timespanMs, shown } = correlation
  const minutes = Math.round(timespanMs / 60_000)
  const span = minutes < 1 ? `${timespanMs / 1000} s` : `${minutes} min`
  const of = group === '' ? '' : ` for ${group}`
  if (type.startsWith('temporal'))
    return `${rule.title}: ${members.map(({ title }) => title).join(', ')} within ${span}${of}`
  const what =
    type === 'value_count'
      ? `different values of ${field}`
      : `${field} ${units[type] ?? `at ${correlation.percentile} %`}`
  return `${rule.title}: ${Math.round(measured * 100) / 100} ${what.trim()} in ${span}${of} (${shown})`
}

/** Hashes say nothing to people. */
function isReadable(field: string): boolean {
  return !field.includes('.') || field.endsWith('name')
}

function shownGroup(link: Link, group: readonly string[]): string {
  return group.filter((_, index) => isReadable(link.correlation.groupBy[index] ?? '')).join(', ')
}

interface Correlation {
  readonly state: PartitionState
  readonly links: readonly Link[]
  readonly signal: Signal
  readonly timeMs: number
}

function addTo(run: Correlation, link: Link, match: Match): Correlated | undefined {
  const { state, signal, timeMs } = run
  const { correlation, rule, members } = link
  const values: Values = field => match.values(fieldIn(link, match.rule, field))
  const group = groupOf(link, values)
  if (group === undefined) return undefined
  const key = JSON.stringify([rule.name, signal.tenant, ...group]).slice(0, longestKey)
  const value = correlation.field === undefined ? undefined : values(correlation.field)
  const member = members.indexOf(match.rule)
  const entry: Entry = value === undefined ? [timeMs, member] : [timeMs, member, value]
  const entries = extend(state.correlations.get(key) ?? [], entry, correlation.timespanMs)
  state.correlations.delete(key)
  state.correlations.set(key, entries)
  bound(state, 'correlations', mostKeys)
  const measured = measure(link, entries)
  if (measured === undefined || !isMet(link, entries, measured)) return undefined
  return {
    link,
    group: group.join('|'),
    sentence: explain(link, measured, shownGroup(link, group)),
    evidence: {
      measured,
      condition: correlation.shown,
      window_ms: correlation.timespanMs,
      events: entries.length,
    },
  }
}

/** What becomes of one match: the correlations that name its rule, and those that name these. */
function follow(run: Correlation, match: Match): readonly Correlated[] {
  return run.links.flatMap(link => {
    if (!link.members.includes(match.rule)) return []
    const found = addTo(run, link, match)
    if (found === undefined) return []
    const groups = found.link.correlation.groupBy
    const own = new Map(groups.map(field => [field, match.values(fieldIn(link, match.rule, field))]))
    return [found, ...follow(run, { rule: link.rule, values: field => own.get(field) })]
  })
}

/** What the fold offers to the correlations that see a signal. */
export interface Sight {
  readonly links: readonly Link[]
  readonly byName: ReadonlyMap<string, Rule>
}

/** Feeds the hits of a signal to the correlations in sight; tells of those whose condition holds now. */
export function correlate(
  state: PartitionState,
  { links, byName }: Sight,
  signal: Signal,
): readonly Correlated[] {
  const run: Correlation = { state, links, signal, timeMs: Date.parse(signal.time) }
  return signal.hits.flatMap(hit => {
    const rule = byName.get(hit.rule)
    return rule === undefined ? [] : follow(run, { rule, values: field => valueOf(signal, hit, field) })
  })
}

/** Where events of a correlation meet. */
export interface GroupPlace {
  readonly root: Rule
  readonly key: string
  readonly hits: readonly Hit[]
}

function placesOf({ links, byName }: Sight, signal: Signal, hit: Hit): readonly Omit<GroupPlace, 'hits'>[] {
  const rule = byName.get(hit.rule)
  if (rule === undefined) return []
  return links.flatMap(link => {
    const groupBy = link.root.correlation?.groupBy
    if (link.isOfPrincipal || groupBy === undefined || !link.members.includes(rule)) return []
    const group = groupBy.map(field => valueOf(signal, hit, fieldIn(link, rule, field)))
    return [{ root: link.root, key: JSON.stringify(['by', link.root.name, ...group]).slice(0, longestKey) }]
  })
}

/** The groups beyond one principal that the hits of a signal belong to. */
export function groupsOf(sight: Sight, signal: Signal): readonly GroupPlace[] {
  const places = new Map<string, GroupPlace>()
  for (const hit of signal.hits) {
    for (const { root, key } of placesOf(sight, signal, hit)) {
      const hits = places.get(key)?.hits ?? []
      if (!hits.includes(hit)) places.set(key, { root, key, hits: [...hits, hit] })
    }
  }
  return [...places.values()]
}
