import type { MunimentEvent } from '@muniment/schema'
import { eventDocuments } from './content/event-documents.ts'
import { inspect } from './content/index.ts'
import { eventFacts } from './event-facts.ts'
import type { Scalar } from './sigma/facts.ts'
import type { RulePack } from './sigma/pack.ts'

/** Why a rule fires on an event, or does not. */
export interface Explanation {
  readonly rule: string
  readonly title: string
  /** Hash of the rule's text. */
  readonly version: string
  readonly isMatch: boolean
  /** Whether the rule looks at single events at all. */
  readonly isAboutEvents: boolean
  /** What the fields it names hold: numbers and names as they are, of texts only their length. */
  readonly fields: Readonly<Record<string, Scalar | string>>
  /** Findings of content detectors it names: where, and how sure. */
  readonly findings: readonly {
    readonly kind: string
    readonly score: number
    readonly path: string
    readonly span: readonly [number, number]
  }[]
}

const longestShown = 64

function shown(value: Scalar | readonly Scalar[] | undefined): Scalar | string {
  if (value === undefined) return 'missing'
  if (typeof value === 'object' && value !== null) return `${value.length} values`
  if (typeof value !== 'string') return value
  return value.length > longestShown || /\s/u.test(value) ? `a text of ${value.length} characters` : value
}

/** Explains what a rule makes of one event, without showing its texts; `undefined` for a rule that is not there. */
export function explainRule(pack: RulePack, name: string, event: MunimentEvent): Explanation | undefined {
  const rule = pack.rules.find(each => each.names.includes(name))
  if (rule === undefined) return undefined
  const documents = eventDocuments(event)
  const findings = inspect(documents)
  const facts = eventFacts(event, documents, findings)
  const fields = [...rule.fields].map(field => [field, shown(facts(field))] as const)
  const named = [...findings].filter(([kind]) => rule.fields.has(`content.${kind}`))
  return {
    rule: rule.name,
    title: rule.title,
    version: rule.version,
    isMatch: rule.matches(facts),
    isAboutEvents: rule.behaviour === undefined && rule.correlation === undefined,
    fields: Object.fromEntries(fields),
    findings: named.map(([kind, { score, document, start, end }]) => ({
      kind,
      score,
      path: document.path,
      span: [start, end] as const,
    })),
  }
}
