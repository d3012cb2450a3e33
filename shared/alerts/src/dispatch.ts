import { publishDeadLetter, type Batch, type Bus, type BusRecord, type Consumer } from '@muniment/bus'
import { AppError, isAppError, topic, type Alert } from '@muniment/schema'
import { matchesFilter, type AlertFilter } from './filter.ts'
import { createRepeats, parseAlert } from './record.ts'
import type { Sink } from './sinks/sink.ts'

const group = 'muniment.alerts.dispatch'

/** A sink and which alerts go to it. */
export interface Route {
  readonly sink: Sink
  readonly filter?: AlertFilter
}

/** Options of {@link createDispatcher}. */
export interface DispatchOptions {
  readonly bus: Bus
  readonly routes: readonly Route[]
  /** Told of each alert that a sink has finally not taken: a stable dotted name and facts without content. */
  readonly onFailure?: (event: string, facts: Readonly<Record<string, unknown>>) => void
}

interface Failure {
  readonly error: AppError
  /** The sink that did not take it; `none` where there was nothing to deliver. */
  readonly sink: string
}

async function giveUp(options: DispatchOptions, record: BusRecord, { error, sink }: Failure): Promise<void> {
  await publishDeadLetter(options.bus, record, { error, stage: `alerts.${sink}` })
  const { partition, offset } = record
  options.onFailure?.('alerts.undelivered', { code: error.code, sink, partition, offset })
}

interface Context {
  readonly signal: AbortSignal
  readonly isRepeat: (alert: Alert) => boolean
}

/** `false` where the signal aborted before every sink had the alert. */
async function deliver(options: DispatchOptions, record: BusRecord, context: Context): Promise<boolean> {
  const alert = parseAlert(record)
  if (alert === undefined) {
    const error = new AppError('SCHEMA_UNKNOWN', 'a record is no alert that this version knows')
    await giveUp(options, record, { error, sink: 'none' })
    return true
  }
  if (context.isRepeat(alert)) return true
  for (const { sink, filter } of options.routes) {
    if (!matchesFilter(filter ?? {}, alert)) continue
    const error = await attempt(sink, alert, context.signal)
    if (context.signal.aborted) return false
    if (error !== undefined) await giveUp(options, record, { error, sink: sink.name })
  }
  return true
}

/** The sink's final failure, if it failed. */
async function attempt(sink: Sink, alert: Alert, signal: AbortSignal): Promise<AppError | undefined> {
  try {
    await sink.deliver(alert, signal)
    return undefined
  } catch (error) {
    if (isAppError(error) || signal.aborted) return isAppError(error) ? error : undefined
    throw error
  }
}

/** Delivers a batch in order; returns the offset up to which every sink has its alerts or has been given up. */
async function deliverBatch(options: DispatchOptions, batch: Batch, context: Context): Promise<number> {
  for (const record of batch.records) {
    if (context.signal.aborted || !(await deliver(options, record, context))) return record.offset
  }
  return batch.nextOffset
}

/**
 * Delivers every alert to each sink whose filter it passes, once per alert id as long as the process lives and at least once over restarts;
 * what a sink finally does not take goes to the dead letters with the sink's name.
 */
export function createDispatcher(options: DispatchOptions): {
  readonly run: (signal: AbortSignal) => Promise<void>
} {
  return {
    run: async signal => {
      const isRepeat = createRepeats()
      const consumer: Consumer = options.bus.consume({
        group,
        topics: [topic.alerts],
        signal,
        maxBatchRecords: 100,
        onBatch: async batch => {
          const offset = await deliverBatch(options, batch, { signal, isRepeat })
          await consumer.commit([{ topic: batch.topic, partition: batch.partition, offset }])
        },
      })
      await consumer.done
    },
  }
}
