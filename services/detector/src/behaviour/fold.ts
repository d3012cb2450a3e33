import type { Alert, Hit, Signal } from '@muniment/schema'
import type { Behaviour, Rule } from '../sigma/rule.ts'
import type { Link } from '../sigma/link.ts'
import type { RulePack } from '../sigma/pack.ts'
import { correlate, type Correlated } from './correlate.ts'
import { addToGroup } from './groups.ts'
import { moveClock } from './clock.ts'
import { observeFlow } from './flow.ts'
import { observeHandle } from './handles.ts'
import { observeServer } from './known.ts'
import { observeNames } from './names.ts'
import { judgeSeries, takeTally, type SeriesNews } from './series.ts'
import { observeSets } from './sets.ts'
import type { Observation } from './observation.ts'
import { observeAlive, observeSilence, type LaneNews } from './lanes.ts'
import { isLost, noteFound, noteLost } from './lost.ts'
import { observeRates } from './rate.ts'
import { bound, type PartitionState } from './state.ts'
import { closeTallies, countCall } from './tally.ts'

/** Findings below this are evidence, not a reason to wake somebody. */
const alertScore = 0.5
const mostLanes = 200_000
const lostMark = '#lost'
/** An event may name several handles, each judged where its users meet. */
const handleAspects = ['#handle0', '#handle1', '#handle2', '#handle3']
/** Longer than the retention of `mcp.calls.raw` and `mcp.signals`: nothing older can come again. */
const forgetLanesMs = 26 * 3_600_000

/** A deterministic step: the same state and signal always give the same state and the same alerts. */
export interface Fold {
  readonly step: (state: PartitionState, signal: Signal, timestampMs: number) => readonly Alert[]
}

interface Parts {
  readonly pack: RulePack
  readonly behaviours: ReadonlyMap<Behaviour, Rule>
  /** Rules that only feed correlations. */
  readonly silent: ReadonlySet<Rule>
  /** The correlations of each place where events of their groups meet: one principal, or one group of a correlation. */
  readonly linksAt: ReadonlyMap<string, readonly Link[]>
}

/** The aspect under which events reach the group of a correlation that reaches beyond one principal. */
export function groupAspect(root: Rule): string {
  return `#by:${root.name}`
}

function linksAt(links: readonly Link[]): Parts['linksAt'] {
  return Map.groupBy(links, link => (link.isOfPrincipal ? '' : groupAspect(link.root)))
}

function silentIn(links: readonly Link[]): Parts['silent'] {
  return new Set(links.flatMap(({ correlation, members }) => (correlation.generates ? [] : members)))
}

/** One signal being folded. */
interface Step {
  readonly parts: Parts
  readonly state: PartitionState
  readonly signal: Signal
  /** The lane of the event, without the mark that says which aspect of it the signal carries. */
  readonly lane: string
  /** Newest number folded before of `signal.lane`. */
  readonly before: number | undefined
  readonly fields: Observation['fields']
  /** The lane of what this fold itself makes. */
  readonly ownLane: string
}

/** Whether the record was folded before; or claims that numbers are lost which are still to come: whoever may publish can forge that. */
function isIgnored(state: PartitionState, signal: Signal): boolean {
  const known = state.watermarks.get(signal.lane)?.[0] ?? -1
  if (signal.gap?.claimed === true && signal.gap.from_seq > known + 1) return true
  return signal.seq <= known && !isLost(state, signal)
}

/** Moves the watermark of a lane; what was lost and came after all lies behind it. */
function advance(state: PartitionState, signal: Signal, timestampMs: number): void {
  const known = state.watermarks.get(signal.lane)?.[0]
  noteFound(state, signal)
  state.watermarks.delete(signal.lane)
  state.watermarks.set(signal.lane, [Math.max(known ?? -1, signal.seq), timestampMs])
  // Room is needed for new lanes only, and the way to the oldest one leads over all that were renewed lately.
  if (known !== undefined) return
  const oldest = state.watermarks.entries().next().value
  if (oldest !== undefined && timestampMs - oldest[1][1] > forgetLanesMs) state.watermarks.delete(oldest[0])
  bound(state, 'watermarks', mostLanes)
}

function observation(
  { signal, fields }: Step,
  rule: Rule,
  rest: Pick<Observation, 'score' | 'sentence' | 'evidence'>,
): Observation {
  const { tenant, time, event_id: eventId } = signal
  return { rule, tenant, timeMs: Date.parse(time), eventId, fields, ...rest }
}

function onHit(step: Step, hit: Hit): readonly Observation[] {
  const { parts, signal } = step
  const rule = parts.pack.byName.get(hit.rule)
  if (rule === undefined || hit.score < alertScore || parts.silent.has(rule)) return []
  const where = hit.path === undefined ? '' : ` at ${hit.path}`
  const target = signal.target === undefined ? (signal.method ?? signal.kind) : `tool ${signal.target}`
  const on = signal.server === undefined ? '' : ` on ${signal.server}`
  const { path, span, evidence: hmac, score, model } = hit
  const why = model === undefined ? '' : ` (weak alone; the classifier of this deployment agrees)`
  const sentence = `${rule.title}: ${signal.principal}, ${target}${on}${where}${why}`
  const evidence = { rule: rule.name, path, span, hmac, score, ...(model !== undefined && { model }) }
  return [observation(step, rule, { score, sentence, evidence })]
}

/** A name that a group has in common, or nothing where its events differ. */
function onCorrelated(step: Step, { link, group, sentence, evidence }: Correlated): readonly Observation[] {
  const { rule, correlation } = link
  if (step.parts.silent.has(rule)) return []
  const common = (name: string, value: string | undefined): string | undefined =>
    correlation.groupBy.some(field => field === name || field.startsWith(`${name}.`)) ? value : undefined
  const { principal, server, target, client } = step.signal
  const fields = {
    principal: common('principal', principal),
    server: common('server', server),
    target: common('target', target) ?? common('tool', target),
    client: common('client', client),
    lane: undefined,
    group,
  }
  return [observation({ ...step, fields }, rule, { score: rule.score ?? 0.7, sentence, evidence })]
}

function onGroups(step: Step, place: string): readonly Observation[] {
  const { parts, state, signal } = step
  const links = parts.linksAt.get(place)
  if (links === undefined || signal.hits.length === 0) return []
  const sight = { links, byName: parts.pack.byName }
  return correlate(state, sight, signal).flatMap(found => onCorrelated(step, found))
}

function onPrincipal(step: Step): readonly Observation[] {
  const { parts, state, signal } = step
  const found = [...signal.hits.flatMap(hit => onHit(step, hit)), ...onGroups(step, '')]
  if (signal.kind === 'notification' || signal.kind === 'stream') return found
  countCall(state, signal)
  const news = observeRates(state, parts.behaviours, signal)
  const flows = observeFlow(state, parts.behaviours, signal)
  return [
    ...found,
    ...flows.map(({ rule, ...rest }) => observation(step, rule, rest)),
    ...news.map(({ rule, sentence, evidence }) =>
      observation(step, rule, { score: 0.7, sentence, evidence }),
    ),
  ]
}

function onServer(step: Step): readonly Observation[] {
  const { parts, state, signal, fields } = step
  const settings = parts.behaviours.get('first_seen')
  const tools = settings === undefined ? [] : observeServer(state, settings, signal)
  const found = tools.flatMap(({ behaviour, tool, sentence, evidence }) => {
    const rule = parts.behaviours.get(behaviour)
    const named = { ...step, fields: { ...fields, target: tool } }
    return rule === undefined ? [] : [observation(named, rule, { score: 0.7, sentence, evidence })]
  })
  const news = observeSets(state, parts.behaviours, signal)
  return [
    ...found,
    ...news.map(({ rule, ...rest }) => observation(step, rule, { score: rule.score ?? 0.5, ...rest })),
  ]
}

function onNames(step: Step): readonly Observation[] {
  const { parts, state, signal, fields } = step
  return observeNames(state, parts.behaviours, signal).map(({ rule, tool, sentence, evidence }) =>
    observation({ ...step, fields: { ...fields, target: tool } }, rule, { score: 0.7, sentence, evidence }),
  )
}

function onHandle(step: Step): readonly Observation[] {
  const { parts, state, signal } = step
  const rule = parts.behaviours.get('handle_shared')
  const first = observeHandle(state, signal)
  if (rule === undefined || first === undefined) return []
  const { principal, server = '', target = signal.method ?? '' } = signal
  const sentence = `${principal} uses on ${server} (${target}) a session, handle or token that ${first} used before`
  return [observation(step, rule, { score: 0.8, sentence, evidence: { first, handle: signal.handle } })]
}

function onGap(step: Step): readonly Observation[] {
  const rule = step.parts.behaviours.get('lane_gap')
  const { gap } = step.signal
  if (rule === undefined || gap === undefined) return []
  // What was seen before is not lost: its batch came whole, and then again, spoilt.
  const seen = step.state.watermarks.get(`${step.lane}#cover`)?.[0] ?? -1
  if (gap.to_seq <= seen) return []
  const { reason, to_seq: to } = gap
  const from = Math.max(gap.from_seq, seen + 1)
  const count = to - from + 1
  const sentence = `${count} events of ${step.lane} are missing (${reason}), numbers ${from}–${to}`
  const evidence = { from_seq: from, to_seq: to, reason, count }
  return [observation(step, rule, { score: 0.9, sentence, evidence })]
}

function onCoverage(step: Step): readonly Observation[] {
  const { parts, before, lane, signal } = step
  if (signal.gap?.claimed === true) return onGap(step)
  const rule = parts.behaviours.get('lane_hole')
  const from = signal.gap?.from_seq
  if (rule === undefined || from === undefined || before === undefined || from <= before + 1) return []
  const evidence = { from_seq: before + 1, to_seq: from - 1 }
  const sentence = `numbers ${before + 1}–${from - 1} of ${lane} never arrived and no gap accounts for them`
  return [observation(step, rule, { score: 0.9, sentence, evidence })]
}

function onLane(step: Step, { rule, tenant, lane, timeMs, sentence, evidence }: LaneNews): Observation {
  const about = { ...step, fields: { ...nobody, lane } }
  return { ...observation(about, rule, { score: 0.6, sentence, evidence }), tenant, timeMs }
}

function onAlive(step: Step): readonly Observation[] {
  return observeAlive(step.state, step.parts.behaviours, step.signal).map(news => onLane(step, news))
}

/** A record was not judged: whoever can make one fail would else escape every rule. */
function onRefused(step: Step): readonly Observation[] {
  const rule = step.parts.behaviours.get('put_aside')
  const { refused } = step.signal
  if (rule === undefined || refused === undefined) return []
  const { stage, code, place } = refused
  const about = { ...step, fields: { ...nobody, lane: undefined, group: `${stage} ${code}` } }
  const sentence = `${stage} could not judge the record ${place} (${code}): no rule has looked at all of it, and it is a dead letter`
  return [observation(about, rule, { score: rule.score ?? 0.8, sentence, evidence: { stage, code, place } })]
}

/** What a classifier agrees with rests on a finding of a rule in force, or is nothing. */
function onModel(step: Step): readonly Observation[] {
  return step.signal.hits.flatMap(hit => onHit(step, hit))
}

function onTally({ state, signal }: Step): readonly Observation[] {
  takeTally(state, signal)
  return []
}

function onSeries(step: Step, news: SeriesNews): Observation {
  const { rule, tenant, server, tool, timeMs, sentence, evidence } = news
  const about = { ...step, fields: { ...nobody, server, target: tool, lane: undefined } }
  return { ...observation(about, rule, { score: 0.6, sentence, evidence }), tenant, timeMs }
}

/** Time has passed: windows are complete, and who should have been heard of by now was not. */
function onTick(step: Step): readonly Observation[] {
  const { parts, state, signal, ownLane } = step
  const clock = moveClock(state, signal)
  if (clock === undefined) return []
  state.outbox.push(...closeTallies(state, ownLane, clock.toMs))
  const series = judgeSeries(state, parts.behaviours, clock).map(news => onSeries(step, news))
  const silent = observeSilence(state, parts.behaviours, clock)
  return [...series, ...silent.map(news => onLane(step, news))]
}

const nobody = { principal: undefined, server: undefined, target: undefined, client: undefined }

type Taken = Pick<Step, 'parts' | 'state' | 'signal' | 'ownLane'>

/** Who looks at which aspect of an event; everything else of it belongs to its principal. */
const lookers: readonly (readonly [aspect: string, look: (step: Step) => readonly Observation[]])[] = [
  ['#server', onServer],
  ['#names', onNames],
  ['#handle', onHandle],
  ['#gap', onGap],
  ['#cover', onCoverage],
  ['#alive', onAlive],
  ['#tally', onTally],
  ['#model', onModel],
  ['#tick', onTick],
  ['#refused', onRefused],
]

function observe({ parts, state, signal, ownLane }: Taken): readonly Observation[] {
  const mark = signal.lane.lastIndexOf('#')
  const aspect = mark < 0 ? '' : signal.lane.slice(mark)
  const lane = mark < 0 ? signal.lane : signal.lane.slice(0, mark)
  const { principal, server, target, client } = signal
  const isAboutLane = aspect === '#gap' || aspect === '#cover'
  const fields = isAboutLane ? { ...nobody, lane } : { principal, server, target, client, lane }
  const before = state.watermarks.get(signal.lane)?.[0]
  const step: Step = { parts, state, signal, lane, fields, before, ownLane }
  if (aspect === '') return onPrincipal(step)
  const look = lookers.find(([of]) => aspect.startsWith(of))?.[1]
  return look === undefined ? onGroups(step, aspect) : look(step)
}

/** The fold of one pack of rules over a partition of `mcp.signals` with this number. */
export function createFold(pack: RulePack, partition: number): Fold {
  const behaviours = new Map<Behaviour, Rule>()
  for (const rule of pack.rules) if (rule.behaviour !== undefined) behaviours.set(rule.behaviour, rule)
  const parts: Parts = { pack, behaviours, silent: silentIn(pack.links), linksAt: linksAt(pack.links) }
  // Aspects of an event that are judged, each in its own partition.
  const judged = new Set(['', '#server', '#names', ...handleAspects, ...parts.linksAt.keys()])
    .values()
    .toArray()
  const laneOf = (state: PartitionState): string => `detector.p${partition}/${state.epoch}`
  return {
    step: (state, signal, timestampMs) => {
      if (signal.lane.endsWith(lostMark)) {
        const lane = signal.lane.slice(0, -lostMark.length)
        const lanes = judged.map(aspect => `${lane}${aspect}`)
        noteLost(state, lanes, signal)
        return []
      }
      if (isIgnored(state, signal)) return []
      const found = observe({ parts, state, signal, ownLane: laneOf(state) })
      advance(state, signal, timestampMs)
      if (found.length === 0) return []
      const place = { lane: laneOf(state), policyDigest: pack.digest }
      return found.flatMap(each => addToGroup(state, place, each) ?? [])
    },
  }
}

/** Folds a signal, and the signals that come of it, as if all partitions were one. */
export function foldWhole(fold: Fold, state: PartitionState, on: Folded): readonly Alert[] {
  const alerts = [...fold.step(state, on.signal, on.timestampMs)]
  for (const made of state.outbox.splice(0)) alerts.push(...fold.step(state, made, on.timestampMs))
  return alerts
}

/** A signal, and when the bus got it. */
interface Folded {
  readonly signal: Signal
  readonly timestampMs: number
}
