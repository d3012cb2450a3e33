import type { KeyObject } from 'node:crypto'
import type { Batch, Bus, BusRecord, OutgoingRecord } from '@muniment/bus'
import { retryWhileUnreachable, type Logger, type Task } from '@muniment/runtime'
import { isAppError, laneOf, topic, type Hit, type MunimentEvent } from '@muniment/schema'
import type { Document } from '../content/document.ts'
import { eventDocuments } from '../content/event-documents.ts'
import { parseEvent } from '../parse-event.ts'
import type { RulePack } from '../sigma/pack.ts'
import { arrangeRules, hitsOf, judgeEvent, signalOf, type EventRules, type Fired } from '../signal.ts'
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

/** Whether no rule alarms by it, and the classifier can make a difference. */
function isWeak({ score }: Fired): boolean {
  return score < alertScore && score + mostAdded >= alertScore
}

/** Learns what is usual from a text in which no rule found anything. */
async function learn(stage: Stage, documents: readonly Document[]): Promise<void> {
  const score = await scoreOf(stage, longest(documents))
  if (score !== undefined) stage.threshold.learn(score)
}

/** The findings too weak to alarm that the classifier agrees with. */
async function agreed(stage: Stage, event: MunimentEvent): Promise<readonly Scored[]> {
  const documents = eventDocuments(event)
  const fired = judgeEvent(event, documents, stage.arranged)
  if (fired.length === 0) await learn(stage, documents)
  const limit = stage.threshold.limit()
  if (limit === undefined) return []
  const found: Scored[] = []
  for (const each of fired.filter(isWeak)) {
    const model = await scoreOf(stage, each.finding?.document ?? longest(documents))
    if (model !== undefined && model >= limit) found.push({ ...each, model })
  }
  return found
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
    const [hit] = hitsOf([{ ...fired, score: fired.score + mostAdded }], key)
    return hit === undefined ? [] : [{ ...hit, model }]
  })
  const signal = signalOf(event, `${lane}#model`, hits)
  return [signalRecord(`${signal.tenant}/${signal.principal}`, { ...signal, definitions: undefined })]
}

async function look(stage: Stage, record: BusRecord): Promise<readonly OutgoingRecord[]> {
  const event = parseEvent(record)
  if (event.gap !== undefined || event.kind === 'heartbeat' || event.kind === 'begun') return []
  const found = await agreed(stage, event)
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
