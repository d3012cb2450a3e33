import type { Signal } from '@muniment/schema'
import { isCopied } from '../flow/marks.ts'
import type { Behaviour, Rule } from '../sigma/rule.ts'
import { grow, setOf } from './sets.ts'
import { bound, type FlowState, type KnownSet, type PartitionState } from './state.ts'

const mostFlows = 20_000
const mostSources = 8
const mostWays = 512
const longestName = 256
const longestKey = 1_024
const hour = 3_600_000

/** Data that moved where it was never seen to move, or may have been told to. */
export interface FlowNews {
  readonly rule: Rule
  readonly score: number
  readonly sentence: string
  readonly evidence: Readonly<Record<string, unknown>>
}

type SourceState = FlowState['sources'][number]

function placeOf({ server = '', target = '' }: Signal): string {
  return `${server}/${target}`.slice(0, longestName)
}

function flowOf(state: PartitionState, { tenant, principal, conversation = '' }: Signal): FlowState {
  const key = [tenant, principal, conversation].join('\u{0}').slice(0, longestKey)
  // What a snapshot leaves out until it is set stands last, so that it stands there with and without one between.
  const known = state.flows.get(key) ?? { sources: [], stranger: undefined }
  state.flows.delete(key)
  state.flows.set(key, known)
  bound(state, 'flows', mostFlows)
  return known
}

/** Whether the words of strangers held orders, as content rules found. */
function holdsOrders({ hits }: Signal): boolean {
  return hits.some(({ rule, score }) => score >= 0.5 && rule.startsWith('hidden-'))
}

/** Orders are remembered over harmless words that come after them. */
function noteStranger(flow: FlowState, signal: Signal, timeMs: number): void {
  const { stranger } = flow
  const isOrder = holdsOrders(signal)
  const isKept = stranger?.isOrder === true && timeMs - stranger.timeMs < hour && !isOrder
  if (!isKept) flow.stranger = { timeMs, at: placeOf(signal), eventId: signal.event_id, isOrder }
}

/** Notes what a call brings into the conversation: the words of strangers, or what is not public. */
function note(flow: FlowState, signal: Signal, timeMs: number): void {
  const { classes = [], out = [] } = signal.flow ?? {}
  if (classes.includes('untrusted')) noteStranger(flow, signal, timeMs)
  if (!classes.includes('private')) return
  const { server = '', event_id: eventId } = signal
  flow.sources.push({ timeMs, at: placeOf(signal), eventId, server, marks: out })
  if (flow.sources.length > mostSources) flow.sources.shift()
}

interface Egress {
  readonly flow: FlowState
  readonly source: SourceState
  readonly isCopy: boolean
}

interface Leaving {
  readonly signal: Signal
  readonly egress: Egress
  readonly timeMs: number
}

/** What may have left: copied values first, else, under orders of strangers, whatever was read last. */
function leaving(flow: FlowState, signal: Signal, timeMs: number): Egress | undefined {
  const fresh = flow.sources.filter(each => timeMs - each.timeMs <= hour && each.eventId !== signal.event_id)
  const marks = new Set(signal.flow?.in)
  const elsewhere = fresh.filter(({ server }) => server !== signal.server)
  const copied = elsewhere.findLast(each => isCopied(each.marks, marks))
  if (copied !== undefined) return { flow, source: copied, isCopy: true }
  const { stranger } = flow
  if (stranger?.isOrder !== true || timeMs - stranger.timeMs > hour) return undefined
  const source = fresh.findLast(each => each.timeMs >= stranger.timeMs && each.eventId !== stranger.eventId)
  return source === undefined ? undefined : { flow, source, isCopy: false }
}

function sentenceOf(signal: Signal, { flow, source, isCopy }: Egress, isThree: boolean): string {
  const { stranger } = flow
  const order = stranger?.isOrder === true ? 'orders in ' : 'words from '
  const first = isThree && stranger !== undefined ? `after ${order}${stranger.at}, ` : ''
  const what = isCopy ? `what ${source.at} handed out went to` : `${source.at} was read and then`
  const last = isCopy ? placeOf(signal) : `${placeOf(signal)} was called`
  return `${signal.principal}: ${first}${what} ${last}`
}

/** Whether strangers spoke before what left was read. */
function isThreefold({ flow: { stranger }, source }: Egress): boolean {
  if (stranger === undefined || stranger.eventId === source.eventId) return false
  return stranger.timeMs <= source.timeMs && source.timeMs - stranger.timeMs <= hour
}

/** Ways that data takes between tools of a tenant; watched from the first call on that could be part of one. */
function waysOf(state: PartitionState, { tenant }: Signal, timeMs: number): KnownSet {
  return setOf(state, `${tenant}\u{0}flows`, timeMs)
}

/** Whether copied data took a way that is new where ways are learnt. */
function isNewWay(
  state: PartitionState,
  rule: Rule | undefined,
  { signal, egress, timeMs }: Leaving,
): boolean {
  if (rule === undefined || !egress.isCopy) return false
  const way = `${egress.source.at} > ${placeOf(signal)}`
  return grow(waysOf(state, signal, timeMs), way, { rule, most: mostWays, timeMs })
}

function evidenceOf(signal: Signal, { flow: { stranger }, source, isCopy }: Egress): FlowNews['evidence'] {
  const told = stranger === undefined ? {} : { strangers: stranger.at, told_in: stranger.eventId }
  return { from: source.at, to: placeOf(signal), read_in: source.eventId, is_copy: isCopy, ...told }
}

function judge(
  state: PartitionState,
  rules: ReadonlyMap<Behaviour, Rule>,
  egressing: Leaving,
): FlowNews | undefined {
  const { signal, egress } = egressing
  const plain = rules.get('data_flow')
  const isNew = isNewWay(state, plain, egressing)
  const isThree = isThreefold(egress)
  const isOrdered = isThree && egress.flow.stranger?.isOrder === true
  const rule = isThree ? rules.get('trifecta') : plain
  if (rule === undefined || !(isNew || isOrdered)) return undefined
  return {
    rule,
    score: egress.isCopy ? 0.8 : 0.6,
    sentence: sentenceOf(signal, egress, isThree),
    evidence: evidenceOf(signal, egress),
  }
}

/** Follows what a conversation brings in and sends out: values of one server in arguments of another, and what strangers may have asked for. */
export function observeFlow(
  state: PartitionState,
  rules: ReadonlyMap<Behaviour, Rule>,
  signal: Signal,
): readonly FlowNews[] {
  if (signal.flow === undefined || signal.outcome === 'denied') return []
  const timeMs = Date.parse(signal.time)
  const flow = flowOf(state, signal)
  waysOf(state, signal, timeMs)
  const egress = signal.flow.classes.includes('egress') ? leaving(flow, signal, timeMs) : undefined
  const news = egress && judge(state, rules, { signal, egress, timeMs })
  note(flow, signal, timeMs)
  return news === undefined ? [] : [news]
}
