import type { KeyObject } from 'node:crypto'
import type { Batch, Bus, BusRecord, OutgoingRecord } from '@muniment/bus'
import { retryWhileUnreachable, type Logger, type Task } from '@muniment/runtime'
import { isAppError, laneOf, topic, type Hit, type MunimentEvent } from '@muniment/schema'
import type { ContentKind, Document } from '../content/document.ts'
import { inspect, type PlacedFinding } from '../content/index.ts'
import { eventDocuments } from '../content/event-documents.ts'
import { eventFacts } from '../event-facts.ts'
import { parseEvent } from '../parse-event.ts'
import { judged } from '../put-aside.ts'
import type { RulePack } from '../sigma/pack.ts'
import { arrangeRules, fire, hitsOf, signalOf, type EventRules, type Fired } from '../signal.ts'
import { signalRecord } from '../signal-record.ts'
import type { Classifier } from './classifier.ts'
import { createThreshold, type Threshold } from './threshold.ts'

const group = 'muniment.detector.classifier'
const alertScore = 0.5
/** The most that a classifier adds to a rule's score: what is weaker than the rest stays evidence. */
const mostAdded = 0.25
const longestText = 4_096

/** What the classifier's stage is made of. */
export interface ClassifierStageOptions {
  readonly bus: Bus
  readonly classifier: Classifier
  /** `shadow` says in the log what `on` would have raised. */
  readonly mode: 'shadow' | 'on'
  readonly rules: () => RulePack
  /** Key of the evidence hashes of a tenant. */
  readonly evidenceKey: (tenant: string) => Promise<KeyObject>
  readonly log: Logger
}

interface Stage extends ClassifierStageOptions {
  readonly threshold: Threshold
  pack: RulePack
  arranged: EventRules
}

type Scored = Fired & { readonly model: number }

function longest(documents: readonly Document[]): Document | undefined {
  return documents.reduce<Document | undefined>(
    (best, each) => (best === undefined || each.text.length > best.text.length ? each : best),
    undefined,
  )
}

async function scoreOf({ classifier }: Stage, document: Document | undefined): Promise<number | undefined> {
  if (document === undefined) return undefined
  return await classifier.score({ kind: document.source, text: document.text.slice(0, longestText) })
}

/** Whether a rule that fired alarms only if the classifier agrees. */
function isWeak({ score }: Pick<Fired, 'score'>): boolean {
  return score < alertScore && score + mostAdded >= alertScore
}

/** Learns what is usual from a text in which nothing was found. */
async function learn(stage: Stage, documents: readonly Document[]): Promise<void> {
  const score = await scoreOf(stage, longest(documents))
  if (score !== undefined) stage.threshold.learn(score)
}

/** What the classifier says of a text, where that is out of the ordinary. */
async function agrees(stage: Stage, document: Document | undefined): Promise<number | undefined> {
  const limit = stage.threshold.limit()
  const model = limit === undefined ? undefined : await scoreOf(stage, document)
  return model !== undefined && limit !== undefined && model >= limit ? model : undefined
}

type Findings = ReadonlyMap<ContentKind, PlacedFinding>

interface Raised {
  readonly findings: Findings
  /** What the classifier said of those that it has raised. */
  readonly said: ReadonlyMap<PlacedFinding, number>
}

/** The findings that rules are shown: strong ones, and weak ones raised where the classifier agrees. */
async function raisedOf(stage: Stage, found: Findings): Promise<Raised> {
  const findings = new Map([...found].filter(([, { score }]) => score >= alertScore))
  const said = new Map<PlacedFinding, number>()
  for (const [kind, finding] of found) {
    const model = isWeak(finding) ? await agrees(stage, finding.document) : undefined
    if (model === undefined) continue
    const raised = { ...finding, score: finding.score + mostAdded }
    findings.set(kind, raised)
    said.set(raised, model)
  }
  return { findings, said }
}

/** A rule that fired on what was raised, or that alarms only if the classifier agrees; nothing where it does not. */
async function scoredBy(
  stage: Stage,
  fired: Fired,
  { said, text }: Pick<Raised, 'said'> & { readonly text: Document | undefined },
): Promise<Scored | undefined> {
  const { finding, score } = fired
  const model = finding && said.get(finding)
  if (model !== undefined) return score < alertScore ? undefined : { ...fired, model }
  if (!isWeak(fired)) return undefined
  const agreed = await agrees(stage, finding?.document ?? text)
  return agreed === undefined ? undefined : { ...fired, score: score + mostAdded, model: agreed }
}

/** What rules find only because the classifier agrees. */
async function foundWith(stage: Stage, event: MunimentEvent): Promise<readonly Scored[]> {
  const { documents, found } = judged(() => {
    const looked = eventDocuments(event)
    return { documents: looked, found: inspect(looked, alertScore - mostAdded) }
  })
  const { findings, said } = await raisedOf(stage, found)
  const fired = judged(() =>
    fire(stage.arranged, { findings, documents, facts: eventFacts(event, documents, findings) }),
  )
  if (found.size === 0 && fired.length === 0) await learn(stage, documents)
  const scored: Scored[] = []
  for (const each of fired) {
    const one = await scoredBy(stage, each, { said, text: longest(documents) })
    if (one !== undefined) scored.push(one)
  }
  return scored
}

async function raise(
  stage: Stage,
  record: BusRecord,
  { event, found }: { readonly event: MunimentEvent; readonly found: readonly Scored[] },
): Promise<readonly OutgoingRecord[]> {
  for (const { rule, score, model } of found)
    stage.log.info('classifier.agrees', {
      mode: stage.mode,
      event_id: event.id,
      rule: rule.name,
      score,
      model,
    })
  if (stage.mode === 'shadow') return []
  const key = await stage.evidenceKey(event.tenant)
  const lane = record.headers['mun_lane'] ?? laneOf(event.source)
  const hits = found.flatMap(({ model, ...fired }): readonly Hit[] => {
    const [hit] = hitsOf([fired], key)
    return hit === undefined ? [] : [{ ...hit, model }]
  })
  const signal = signalOf(event, `${lane}#model`, hits)
  return [signalRecord(`${signal.tenant}/${signal.principal}`, { ...signal, definitions: undefined })]
}

async function look(stage: Stage, record: BusRecord): Promise<readonly OutgoingRecord[]> {
  const event = parseEvent(record)
  if (event.gap !== undefined || event.kind === 'heartbeat' || event.kind === 'begun') return []
  const found = await foundWith(stage, event)
  return found.length === 0 ? [] : await raise(stage, record, { event, found })
}

async function work(stage: Stage, batch: Batch, signal: AbortSignal): Promise<void> {
  const pack = stage.rules()
  if (pack !== stage.pack) Object.assign(stage, { pack, arranged: arrangeRules(pack) })
  const raised: OutgoingRecord[] = []
  for (const record of batch.records) {
    try {
      raised.push(...(await look(stage, record)))
    } catch (error) {
      // The content stage puts such events aside, and says so.
      if (!isAppError(error)) throw error
    }
  }
  if (raised.length === 0) return
  await retryWhileUnreachable(() => stage.bus.publish(topic.signals, raised), { signal, log: stage.log })
}

/** Asks a classifier beside the rules, with a group and a pace of its own, so that nothing waits for it: `mcp.events` → `mcp.signals`. */
export function createClassifierStage(options: ClassifierStageOptions): Task {
  return {
    run: async signal => {
      await using _ = options.classifier
      const pack = options.rules()
      const stage: Stage = { ...options, threshold: createThreshold(), pack, arranged: arrangeRules(pack) }
      const consumer = options.bus.consume({
        group,
        topics: [topic.events],
        signal,
        onBatch: async batch => {
          await work(stage, batch, signal)
          const { partition, nextOffset: offset } = batch
          await consumer.commit([{ topic: batch.topic, partition, offset }])
        },
      })
      await consumer.done
    },
  }
}
