import { createHmac, type KeyObject } from 'node:crypto'
import type { Hit, MunimentEvent, Signal } from '@muniment/schema'
import { definitionHashes } from './content/definitions.ts'
import { eventDocuments } from './content/event-documents.ts'
import { inspect, type PlacedFinding } from './content/index.ts'
import type { ContentKind } from './content/document.ts'
import type { Rule } from './sigma/rule.ts'
import type { Facts } from './sigma/value.ts'

/** Who called: the verified principal, else the client's own label marked as such. */
function principalOf(event: Pick<MunimentEvent, 'principal' | 'client'>): string {
  if (event.principal !== undefined) return event.principal.id
  return event.client === undefined ? 'anonymous' : `label:${event.client.name}`
}

function factsOf(event: MunimentEvent, findings: ReadonlyMap<string, PlacedFinding>): Facts {
  const plain: Readonly<Record<string, string | number | undefined>> = {
    kind: event.kind,
    outcome: event.outcome,
    method: event.method,
    target: event.target,
    tenant: event.tenant,
    transport: event.transport,
    principal: principalOf(event),
    'client.name': event.client?.name,
    'server.name': event.server?.name,
    'server.id': event.server?.id,
    'error.type': event.error?.type,
    'error.code': event.error?.code,
    'request.size_bytes': event.request?.size_bytes,
    'response.size_bytes': event.response?.size_bytes,
  }
  return field => (field.startsWith('content.') ? findings.get(field.slice(8))?.score : plain[field])
}

/** Rules that need a content finding, by the kind they name, and those that look at every event. */
export interface EventRules {
  readonly byKind: ReadonlyMap<string, readonly Rule[]>
  readonly always: readonly Rule[]
}

/** Sorts the rules on single events by what must be there for them to fire. */
export function arrangeRules(rules: readonly Rule[]): EventRules {
  const byKind = new Map<string, Rule[]>()
  const always: Rule[] = []
  for (const rule of rules) {
    if (rule.behaviour !== undefined) continue
    const kinds = [...rule.fields].filter(field => field.startsWith('content.')).map(field => field.slice(8))
    if (kinds.length === 0) always.push(rule)
    for (const kind of kinds) byKind.set(kind, [...(byKind.get(kind) ?? []), rule])
  }
  return { byKind, always }
}

/** A rule that fired on one event, and the finding it rests on. */
export interface Fired {
  readonly rule: Rule
  readonly score: number
  readonly finding: PlacedFinding | undefined
}

/** The rules that fire for these facts. */
export function fire(
  rules: EventRules,
  findings: ReadonlyMap<ContentKind, PlacedFinding>,
  facts: Facts,
): readonly Fired[] {
  const fired: Fired[] = []
  const seen = new Set<Rule>()
  for (const [kind, finding] of findings) {
    for (const rule of rules.byKind.get(kind) ?? []) {
      if (seen.has(rule) || !rule.matches(facts)) continue
      seen.add(rule)
      fired.push({ rule, score: rule.score ?? finding.score, finding })
    }
  }
  for (const rule of rules.always) {
    if (rule.matches(facts)) fired.push({ rule, score: rule.score ?? 0.5, finding: undefined })
  }
  return fired
}

function hitOf({ rule, score, finding }: Fired, key: KeyObject): Hit {
  const hit = { rule: rule.name, score, severity: rule.severity }
  if (finding === undefined) return hit
  const { document, start, end } = finding
  const evidence = createHmac('sha256', key)
    .update(document.text.slice(start, end))
    .digest('hex')
    .slice(0, 32)
  return { ...hit, path: document.path.slice(0, 512), span: [start, end], evidence }
}

/** The rules that fire on one event. */
export function judgeEvent(event: MunimentEvent, rules: EventRules): readonly Fired[] {
  const findings = inspect(eventDocuments(event))
  if (findings.size === 0 && rules.always.length === 0) return []
  return fire(rules, findings, factsOf(event, findings))
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
