import type { KeyObject } from 'node:crypto'
import type { MunimentEvent, Signal } from '@muniment/schema'
import { canonical } from './content/canonical.ts'
import type { Document } from './content/document.ts'
import { eventDocuments } from './content/event-documents.ts'
import { copiesOf, type Copy } from './copies.ts'
import { partOf } from './event-facts.ts'
import type { ToolLabels } from './flow/labels.ts'
import { marksOf } from './flow/marks.ts'
import { keyedHash } from './keyed.ts'
import type { RulePack } from './sigma/pack.ts'
import { hitsOf, judgeEvent, signalOf, type EventRules, type Fired } from './signal.ts'
import { traitsOf } from './traits.ts'

/** What decides what is made of an event. */
export interface Judge {
  readonly pack: RulePack
  readonly arranged: EventRules
  readonly labels: ToolLabels
  /** The tenant's key for evidence. */
  readonly key: KeyObject
}

/** What is made of one event. */
export interface Emitted {
  readonly fired: readonly Fired[]
  readonly signal: Signal
  readonly copies: readonly Copy[]
}

function flowOf(
  event: MunimentEvent,
  documents: readonly Document[],
  { labels, key }: Pick<Judge, 'labels' | 'key'>,
): Signal['flow'] {
  if (event.method !== 'tools/call' || event.target === undefined) return undefined
  const classes = labels(event.server?.id ?? event.server?.name ?? '', event.target)
  if (classes.size === 0) return undefined
  return {
    classes: [...classes],
    ...(classes.has('private') && { out: marksOf(documents, 'result', key) }),
    ...(classes.has('egress') && { in: marksOf(documents, 'argument', key) }),
  }
}

/** Arguments beyond this are not told apart. */
const mostArgsBytes = 65_536

function argsOf({ method, request }: MunimentEvent, key: KeyObject): number | undefined {
  if (method !== 'tools/call' || request === undefined || request.size_bytes > mostArgsBytes) return undefined
  const args = partOf(request.body, 'params', 'arguments')
  return Number.parseInt(keyedHash(key, canonical(args ?? null), 8), 16)
}

/** Judges an event and makes its signals: its principal's own, and the copies for what is looked at elsewhere. Throws `LIMIT_EXCEEDED` where the rules compare too much. */
export function emit(event: MunimentEvent, lane: string, { pack, arranged, key, labels }: Judge): Emitted {
  const documents = eventDocuments(event)
  const fired = judgeEvent(event, documents, arranged)
  const flow = flowOf(event, documents, { labels, key })
  const args = argsOf(event, key)
  const own = signalOf(event, lane, hitsOf(fired, key))
  const signal = { ...own, ...(flow && { flow }), ...(args !== undefined && { args }) }
  return { fired, signal, copies: copiesOf(pack, signal, traitsOf(event, documents, key)) }
}
