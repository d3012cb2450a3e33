import { inspect } from './content/index.ts'
import { factsFrom } from './event-facts.ts'
import type { Document, Source } from './content/document.ts'
import { textDocuments } from './content/event-documents.ts'
import { arrangeRules, fire, type EventRules } from './signal.ts'
import { loadRules } from './sigma/pack.ts'

/** One piece of inspected content, as the labelled corpora have it. */
export interface ContentEvent {
  readonly kind: string
  readonly text?: string | undefined
  readonly tool?: string | undefined
  readonly arguments?: unknown
  readonly result?: unknown
}

/** What the content rules say: the highest score, 0 where none fired, and the rules that fired. */
export interface Classification {
  readonly score: number
  readonly rules: readonly string[]
}

const sources: Readonly<Record<string, Source>> = {
  tool_args: 'argument',
  tool_description: 'description',
  tool_result: 'result',
  prompt: 'prompt',
}

let shipped: EventRules | undefined

function documentsOf(event: ContentEvent): readonly Document[] {
  const source = sources[event.kind] ?? 'result'
  const given = source === 'argument' && typeof event.arguments === 'object' && event.arguments !== null
  return textDocuments(given ? event.arguments : event.text, source, event.tool ?? '')
}

/** Judges one piece of content with the rules on single events (default: the shipped pack, loaded on first use); no state, no I/O after that. */
export function classify(
  event: ContentEvent,
  rules: EventRules = (shipped ??= arrangeRules(loadRules())),
): Classification {
  const documents = documentsOf(event)
  const findings = inspect(documents)
  if (findings.size === 0 && rules.always.length === 0 && rules.searched === undefined)
    return { score: 0, rules: [] }
  const content = { documents, findings, args: event.arguments, structured: undefined }
  const facts = factsFrom({ kind: event.kind, tool: event.tool, target: event.tool }, content)
  const fired = fire(rules, { findings, facts, documents })
  return { score: Math.max(0, ...fired.map(each => each.score)), rules: fired.map(each => each.rule.name) }
}
