import type { Batch, Bus, BusRecord, Consumer } from '@muniment/bus'
import { decisionRecord, signDecision, type ControlSigner } from '@muniment/keys'
import {
  createControlView,
  readDecision,
  type ControlVerifier,
  type ControlView,
} from '@muniment/keys/control'
import { retryWhileUnreachable, type Logger, type Task } from '@muniment/runtime'
import { alertSchema, decisionKey, topic, type Alert, type Decision } from '@muniment/schema'
import { draftFor } from './draft.ts'
import { createHistory, type History } from './history.ts'
import type { ResponsePlan } from './plan.ts'

const group = 'muniment.detector.response'

/** What the responder is made of. */
export interface ResponderOptions {
  readonly bus: Bus
  readonly signer: () => Promise<ControlSigner>
  readonly verifier: () => Promise<ControlVerifier>
  /** By rule name. */
  readonly plans: ReadonlyMap<string, ResponsePlan>
  /** What no rule may touch, as `scope/value`. */
  readonly allow: readonly string[]
  /** Whether nothing is to be decided about an alert, because people said that its like is none. */
  readonly isHeldBack?: (alert: Alert) => Promise<boolean>
  readonly log: Logger
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

interface State extends ResponderOptions {
  readonly signal: AbortSignal
  readonly check: ControlVerifier
  readonly view: ControlView
  readonly history: History
}

function note({ view, history }: State, decision: Decision): void {
  history.note(decision)
  view.apply(decision)
}

function take(state: State, { value }: BusRecord): void {
  const decision = readDecision(state.check, value)
  if (typeof decision !== 'string') note(state, decision)
}

function parseAlert({ value }: BusRecord): Alert | undefined {
  try {
    return alertSchema.safeParse(JSON.parse(Buffer.from(value).toString())).data
  } catch {
    return undefined
  }
}

async function answer(state: State, alert: Alert): Promise<void> {
  const { plans, allow, view, history, now, log, bus, signal } = state
  const nowMs = now()
  const drafted = draftFor({ plans, allow: new Set(allow), view, history, nowMs }, alert)
  const rule = alert.finding_info.analytic.name
  const facts = { rule, alert: alert.metadata.uid }
  if ('why' in drafted) {
    if (drafted.why === 'over_cap') log.warn('response.over_cap', facts)
    else log.debug('response.none', { ...facts, why: drafted.why })
    return
  }
  const previous = history.last(decisionKey(drafted.draft), nowMs)
  const decision = signDecision(drafted.draft, { signer: await state.signer(), nowMs, previous })
  await retryWhileUnreachable(async () => bus.publish(topic.control, [decisionRecord(decision)]), {
    signal,
    log,
  })
  note(state, decision)
  const { action, would, level, expires } = decision
  log.info('response.decided', { ...facts, action, would, level, expires })
}

async function onBatch(state: State, consumer: Consumer, batch: Batch): Promise<void> {
  for (const record of batch.records) {
    const alert = parseAlert(record)
    if (alert === undefined || (await state.isHeldBack?.(alert)) === true) continue
    await answer(state, alert)
  }
  await consumer.commit([{ topic: batch.topic, partition: batch.partition, offset: batch.nextOffset }])
}

async function follow(state: State, signal: AbortSignal): Promise<void> {
  for await (const record of state.bus.read({ topic: topic.control, signal })) take(state, record)
}

/**
 * Answers alerts with decisions, as the rules' plans say: `mcp.alerts` → `mcp.control`. What is in force it knows from the topic alone, so a crash
 * loses nothing and an alert that comes again changes nothing. Rules never touch what is allowed or what an operator decided, nor more values than their cap.
 */
export function createResponder(options: ResponderOptions): Task {
  async function run(signal: AbortSignal): Promise<void> {
    const view = createControlView({ now: options.now })
    const state: State = {
      ...options,
      signal,
      check: await options.verifier(),
      view,
      history: createHistory(),
    }
    const { bus, log } = options
    await retryWhileUnreachable(
      async () => {
        for await (const record of bus.read({ topic: topic.control, untilEnd: true, signal }))
          take(state, record)
      },
      { signal, log },
    )
    const stop = new AbortController()
    const until = AbortSignal.any([signal, stop.signal])
    const consumer: Consumer = bus.consume({
      group,
      topics: [topic.alerts],
      signal: until,
      maxBatchRecords: 100,
      onBatch: async batch => onBatch(state, consumer, batch),
    })
    try {
      await Promise.race([consumer.done, follow(state, until)])
    } finally {
      stop.abort()
    }
    await consumer.done
  }
  return { run }
}
