import type { Batch, Bus, BusRecord, Consumer, Position, TopicPartition } from '@muniment/bus'
import { topic, type Alert } from '@muniment/schema'
import { matchesFilter, type AlertFilter } from './filter.ts'
import { createHandoff, type Handed, type Handoff } from './handoff.ts'
import { createRepeats, parseAlert } from './record.ts'

/** Options of {@link subscribe}. */
export interface SubscribeOptions {
  readonly bus: Bus
  readonly filter?: AlertFilter
  /** Members of one group share the alerts and resume where the group stopped; without a group every subscriber gets all and nothing is remembered. */
  readonly group?: string
  /** Where to begin when nothing is remembered; default `oldest` with a group, `newest` without. */
  readonly from?: 'oldest' | 'newest'
  /** Ends the iteration. */
  readonly signal?: AbortSignal
  /** Told of records that hold no alert; they are passed over. */
  readonly onInvalid?: (record: BusRecord) => void
}

/** What passes: the alert of a record unless it is a repeat, filtered out, or none. */
function createGate(options: SubscribeOptions): (record: BusRecord) => Alert | undefined {
  const isRepeat = createRepeats()
  return record => {
    const alert = parseAlert(record)
    if (alert === undefined) {
      options.onInvalid?.(record)
      return undefined
    }
    return !isRepeat(alert) && matchesFilter(options.filter ?? {}, alert) ? alert : undefined
  }
}

async function* readAlerts(
  options: SubscribeOptions,
  signal: AbortSignal,
): AsyncGenerator<Alert, void, void> {
  const pass = createGate(options)
  const from = options.from === 'oldest' ? {} : { from: 'end' as const }
  for await (const record of options.bus.read({ topic: topic.alerts, signal, ...from })) {
    const alert = pass(record)
    if (alert !== undefined) yield alert
  }
}

/** Offers what passes; returns the offset up to which everything is done with. */
async function handBatch(
  batch: Batch,
  pass: (record: BusRecord) => Alert | undefined,
  handoff: Handoff<Alert>,
): Promise<number> {
  for (const record of batch.records) {
    const alert = pass(record)
    if (alert !== undefined && !(await handoff.offer(alert))) return record.offset
  }
  return batch.nextOffset
}

async function newest(
  bus: Bus,
  group: string,
  assigned: readonly TopicPartition[],
): Promise<readonly Position[]> {
  const states = await bus.describe(topic.alerts, group)
  const isMine = (partition: number): boolean => assigned.some(each => each.partition === partition)
  return states
    .filter(state => state.committedOffset === undefined && isMine(state.partition))
    .map(({ partition, nextOffset }) => ({ topic: topic.alerts, partition, offset: nextOffset }))
}

function startConsumer(options: SubscribeOptions, handoff: Handoff<Alert>, signal: AbortSignal): Consumer {
  const { bus, group = '' } = options
  const pass = createGate(options)
  const consumer: Consumer = bus.consume({
    group,
    topics: [topic.alerts],
    signal,
    maxBatchRecords: 100,
    ...(options.from === 'newest' ? { onAssign: assigned => newest(bus, group, assigned) } : {}),
    onBatch: async batch => {
      const offset = await handBatch(batch, pass, handoff)
      await consumer.commit([{ topic: batch.topic, partition: batch.partition, offset }])
    },
  })
  return consumer
}

async function* consumeAlerts(
  options: SubscribeOptions,
  signal: AbortSignal,
): AsyncGenerator<Alert, void, void> {
  const handoff = createHandoff<Alert>()
  const stop = new AbortController()
  const until = AbortSignal.any([signal, stop.signal])
  until.addEventListener('abort', handoff.close, { once: true })
  if (until.aborted) return
  const consumer = startConsumer(options, handoff, until)
  const ended = consumer.done.then(handoff.close, (error: unknown) => {
    handoff.close()
    throw error
  })
  // Awaited in `finally`; until then a rejection must not count as unhandled.
  ended.catch(() => undefined)
  let handed: Handed<Alert> | undefined
  try {
    while ((handed = await handoff.take()) !== undefined) {
      yield handed.value
      handed.settle(true)
    }
  } finally {
    handed?.settle(false)
    stop.abort()
    await ended
  }
}

/**
 * Alerts as they come, at least once each: with a group, an alert counts as handled when the loop asks for the next one. `metadata.uid` tells
 * repeats that a crash may cause. Ends when the signal aborts or the loop is left; rejects where the bus cannot go on.
 */
export function subscribe(options: SubscribeOptions): AsyncIterable<Alert> {
  const signal = options.signal ?? new AbortController().signal
  return options.group === undefined ? readAlerts(options, signal) : consumeAlerts(options, signal)
}
