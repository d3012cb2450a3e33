import { createHmac, type KeyObject } from 'node:crypto'
import type { Hit, MunimentEvent, Signal } from '@muniment/schema'
import { definitionHashes } from './content/definitions.ts'
import type { ContentKind, Document } from './content/document.ts'
import { inspect, type PlacedFinding } from './content/index.ts'
import { eventFacts, isOfContent, principalOf } from './event-facts.ts'
import type { Facts, Scalar } from './sigma/facts.ts'
import { carriedFields } from './sigma/link.ts'
import type { RulePack } from './sigma/pack.ts'
import { createPrefilter, type Prefilter } from './sigma/prefilter.ts'
import type { Rule } from './sigma/rule.ts'

/** Rules with literals, and the automaton that finds which of them can match. */
interface Searched {
  readonly rules: readonly { readonly rule: Rule; readonly literals: readonly number[] }[]
  readonly prefilter: Prefilter
  /** Fields beside the content that the rules read. */
  readonly fields: readonly string[]
  /** Whether some rule reads the content, so that a literal may lie in any text. */
  readonly readsContent: boolean
}

/** The rules on single events, sorted by what must be there for them to fire. */
export interface EventRules {
  readonly byKind: ReadonlyMap<string, readonly Rule[]>
  readonly always: readonly Rule[]
  readonly searched: Searched | undefined
  /** Fields that correlations need of the events a rule matches. */
  readonly carried: ReadonlyMap<Rule, readonly string[]>
}

function searchedOf(rules: readonly Rule[]): Searched | undefined {
  if (rules.length === 0) return undefined
  const numbers = new Map<string, number>()
  const numberOf = (literal: string): number => {
    const number = numbers.get(literal) ?? numbers.size
    numbers.set(literal, number)
    return number
  }
  const numbered = rules.map(rule => ({ rule, literals: (rule.needs ?? []).map(numberOf) }))
  const named = [...new Set(rules.flatMap(rule => [...rule.fields]))]
  return {
    rules: numbered,
    prefilter: createPrefilter([...numbers.keys()]),
    fields: named.filter(field => !isOfContent(field)),
    readsContent: named.some(isOfContent),
  }
}

function kindsOf(rule: Rule): readonly string[] {
  return [...rule.fields].filter(field => field.startsWith('content.')).map(field => field.slice(8))
}

/** Sorts the rules on single events: by the finding they need, by the literals they need, and the rest. */
export function arrangeRules({ rules, links }: Pick<RulePack, 'rules' | 'links'>): EventRules {
  const byKind = new Map<string, Rule[]>()
  const own = rules.filter(rule => rule.behaviour === undefined && rule.correlation === undefined)
  for (const rule of own)
    for (const kind of kindsOf(rule)) byKind.set(kind, [...(byKind.get(kind) ?? []), rule])
  const others = own.filter(rule => kindsOf(rule).length === 0)
  const carried = own.map(rule => [rule, carriedFields(links, rule)] as const)
  return {
    byKind,
    always: others.filter(rule => rule.needs === undefined),
    searched: searchedOf(others.filter(rule => rule.needs !== undefined)),
    carried: new Map(carried.filter(([, fields]) => fields.length > 0)),
  }
}

/** A rule that fired on one event, and the finding it rests on. */
export interface Fired {
  readonly rule: Rule
  readonly score: number
  readonly finding: PlacedFinding | undefined
  /** Values of the fields that correlations need. */
  readonly carried: Readonly<Record<string, Scalar>> | undefined
}

/** What one event offers to the rules. */
export interface Offer {
  readonly findings: ReadonlyMap<ContentKind, PlacedFinding>
  readonly facts: Facts
  /** The texts of the content. */
  readonly documents: readonly Document[]
}

function carriedOf(rules: EventRules, rule: Rule, facts: Facts): Fired['carried'] {
  const fields = rules.carried.get(rule)
  if (fields === undefined) return undefined
  const values = fields.flatMap(field => {
    const [value] = [facts(field)].flat()
    return value === undefined ? [] : [[field, value] as const]
  })
  return Object.fromEntries(values)
}

/** Every text that a literal of a rule could lie in, in lower case. */
function* textsOf({ fields, readsContent }: Searched, { facts, documents }: Offer): Iterable<string> {
  for (const field of fields) {
    const value = facts(field)
    if (value !== undefined) yield String(value).toLowerCase()
  }
  if (readsContent) for (const { text } of documents) yield text.toLowerCase()
}

function searchedRules({ searched }: EventRules, offer: Offer): readonly Rule[] {
  if (searched === undefined) return []
  const marks = searched.prefilter.mark(textsOf(searched, offer))
  return searched.rules
    .filter(({ literals }) => literals.some(literal => marks[literal] === 1))
    .map(({ rule }) => rule)
}

/** The rules that fire for what an event offers. */
export function fire(rules: EventRules, offer: Offer): readonly Fired[] {
  const { findings, facts } = offer
  const fired: Fired[] = []
  const seen = new Set<Rule>()
  for (const [kind, finding] of findings) {
    for (const rule of rules.byKind.get(kind) ?? []) {
      if (seen.has(rule) || !rule.matches(facts)) continue
      seen.add(rule)
      const score = rule.score ?? finding.score
      fired.push({ rule, score, finding, carried: carriedOf(rules, rule, facts) })
    }
  }
  for (const rule of [...rules.always, ...searchedRules(rules, offer)]) {
    if (!rule.matches(facts)) continue
    const score = rule.score ?? 0.5
    fired.push({ rule, score, finding: undefined, carried: carriedOf(rules, rule, facts) })
  }
  return fired
}

/** A value that correlations can tell apart and nobody can read; numbers stay numbers. */
function hidden(value: Scalar, key: KeyObject): string | number {
  if (typeof value === 'number') return value
  return createHmac('sha256', key).update(String(value)).digest('hex').slice(0, 16)
}

function hitOf({ rule, score, finding, carried }: Fired, key: KeyObject): Hit {
  const fields = Object.entries(carried ?? {}).map(([field, value]) => [field, hidden(value, key)] as const)
  const values = carried === undefined ? {} : { fields: Object.fromEntries(fields) }
  const hit = { rule: rule.name, score, severity: rule.severity, ...values }
  if (finding === undefined) return hit
  const { document, start, end } = finding
  const evidence = createHmac('sha256', key)
    .update(document.text.slice(start, end))
    .digest('hex')
    .slice(0, 32)
  return { ...hit, path: document.path.slice(0, 512), span: [start, end], evidence }
}

/** The rules that fire on one event; throws `LIMIT_EXCEEDED` where they compare too much. */
export function judgeEvent(
  event: MunimentEvent,
  documents: readonly Document[],
  rules: EventRules,
): readonly Fired[] {
  const findings = inspect(documents)
  if (findings.size === 0 && rules.always.length === 0 && rules.searched === undefined) return []
  return fire(rules, { findings, documents, facts: eventFacts(event, documents, findings) })
}

/** What the signal says of the rules that fired; matched text leaves only as a hash under the tenant's key. */
export function hitsOf(fired: readonly Fired[], key: KeyObject): readonly Hit[] {
  return fired.map(each => hitOf(each, key))
}

function piiCounts(event: MunimentEvent): Record<string, number> | undefined {
  if (event.pii.findings.length === 0) return undefined
  const counts: Record<string, number> = {}
  for (const finding of event.pii.findings) counts[finding.type] = (counts[finding.type] ?? 0) + finding.count
  return counts
}

/** The signal of an event: what behaviour rules need of it, without content. */
export function signalOf(event: MunimentEvent, lane: string, hits: readonly Hit[]): Signal {
  return {
    event_id: event.id,
    time: event.time,
    tenant: event.tenant,
    kind: event.kind,
    outcome: event.outcome,
    method: event.method,
    target: event.target,
    principal: principalOf(event),
    server: event.server?.id ?? event.server?.name,
    client: event.client?.name,
    conversation: event.conversation_id,
    duration_ms: event.duration_ms,
    request_bytes: event.request?.size_bytes,
    response_bytes: event.response?.size_bytes,
    hits: [...hits],
    definitions: event.method === 'tools/list' ? definitionHashes(event.response?.body) : undefined,
    pii: piiCounts(event),
    gap: event.gap,
    lane,
    seq: event.source.seq,
  }
}
