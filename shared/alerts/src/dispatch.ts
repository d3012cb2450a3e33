import { publishDeadLetter, type Batch, type Bus, type BusRecord, type Consumer } from '@muniment/bus'
import { AppError, isAppError, topic, type Alert } from '@muniment/schema'
import { createBudget, type Budget, type Rate } from './budget.ts'
import { matchesFilter, type AlertFilter } from './filter.ts'
import { digestOf, type Notice } from './notice.ts'
import { createRepeats, parseAlert } from './record.ts'
import type { Sink } from './sinks/sink.ts'

const group = 'muniment.alerts.dispatch'
const mostAtOnce = 2000

/** A sink, which alerts go to it, and how many. */
export interface Route {
  /** Names the place in logs and dead letters, and what it has had: under another name it is another place. */
  readonly name: string
  readonly sink: Sink
  readonly filter?: AlertFilter
  /** Above this, alerts go out together as a digest; none is dropped. Absent = no limit. */
  readonly rate?: Rate
}

/** Options of {@link createDispatcher}. */
export interface DispatchOptions {
  readonly bus: Bus
  readonly routes: readonly Route[]
  /** Told of each alert that a sink has finally not taken: a stable dotted name and facts without content. */
  readonly onFailure?: (event: string, facts: Readonly<Record<string, unknown>>) => void
  /** Whether an alert is not to be delivered, because people said that its like is none. */
  readonly isHeldBack?: (alert: Alert) => Promise<boolean>
  /** Milliseconds that never go backwards; default the process's own. */
  readonly monotonicMs?: () => number
}

interface Delivering extends Omit<DispatchOptions, 'routes'> {
  readonly route: Route
  readonly budget: Budget | undefined
  readonly isRepeat: (alert: Alert) => boolean
  readonly signal: AbortSignal
}

/** An alert and where it came from. */
interface Item {
  readonly record: BusRecord
  readonly alert: Alert
}

async function giveUp(
  { bus, route, onFailure }: Delivering,
  record: BusRecord,
  error: AppError,
): Promise<void> {
  await publishDeadLetter(bus, record, { error, stage: `alerts.${route.name}` })
  const { partition, offset } = record
  onFailure?.('alerts.undelivered', { code: error.code, sink: route.name, partition, offset })
}

/** The sink's final failure, if it failed. */
async function attempt({ route, signal }: Delivering, notice: Notice): Promise<AppError | undefined> {
  try {
    await route.sink.deliver(notice, signal)
    return undefined
  } catch (error) {
    if (isAppError(error) || signal.aborted) return isAppError(error) ? error : undefined
    throw error
  }
}

/** `false` where the signal aborted before the place had the notice. */
async function send(delivering: Delivering, notice: Notice, items: readonly Item[]): Promise<boolean> {
  const { signal, budget } = delivering
  try {
    await budget?.take(signal)
  } catch (error) {
    if (signal.aborted) return false
    throw error
  }
  const error = await attempt(delivering, notice)
  if (signal.aborted) return false
  if (error !== undefined) for (const { record } of items) await giveUp(delivering, record, error)
  return true
}

/** The alerts of a batch that this place is to have. */
async function wanted(delivering: Delivering, { records }: Batch): Promise<readonly Item[]> {
  const { route, isRepeat } = delivering
  const items: Item[] = []
  for (const record of records) {
    const alert = parseAlert(record)
    if (alert === undefined) {
      const error = new AppError('SCHEMA_UNKNOWN', 'a record is no alert that this version knows')
      await giveUp(delivering, record, error)
    } else if (
      !isRepeat(alert) &&
      matchesFilter(route.filter ?? {}, alert) &&
      (await delivering.isHeldBack?.(alert)) !== true
    )
      items.push({ record, alert })
  }
  return items
}

/** How many go out one by one; the last token is for the digest of the rest. */
function singles({ budget }: Delivering, count: number): number {
  const left = budget?.left() ?? Infinity
  return count <= Math.max(left, 1) ? count : Math.max(left - 1, 0)
}

/** Delivers a batch; tells after each notice how far it came, so that a crash repeats at most the one in hand. */
async function deliverBatch(
  delivering: Delivering,
  batch: Batch,
  onDone: (nextOffset: number) => Promise<void>,
): Promise<void> {
  const items = await wanted(delivering, batch)
  const alone = singles(delivering, items.length)
  for (const item of items.slice(0, alone)) {
    if (!(await send(delivering, { kind: 'alert', alert: item.alert }, [item]))) return
    await onDone(item.record.offset + 1)
  }
  const rest = items.slice(alone)
  const digest = rest.length === 0 ? undefined : digestOf(rest.map(({ alert }) => alert))
  if (digest !== undefined && !(await send(delivering, { kind: 'digest', digest }, rest))) return
  await onDone(batch.nextOffset)
}

/** Each place has a group of its own, so that one that is slow or away holds up no other. */
async function follow(options: DispatchOptions, route: Route, signal: AbortSignal): Promise<void> {
  const { bus, monotonicMs = () => performance.now() } = options
  const budget = route.rate && createBudget(route.rate, monotonicMs)
  const delivering = { ...options, route, budget, isRepeat: createRepeats(), signal }
  const consumer: Consumer = bus.consume({
    group: `${group}.${route.name}`,
    topics: [topic.alerts],
    signal,
    maxBatchRecords: mostAtOnce,
    onBatch: async batch => {
      const { partition } = batch
      await deliverBatch(delivering, batch, async offset =>
        consumer.commit([{ topic: batch.topic, partition, offset }]),
      )
    },
  })
  await consumer.done
}

/**
 * Delivers every alert to each sink whose filter it passes, once per alert as long as the process lives and at least once over restarts, with the
 * same uid; above a sink's rate as a digest. What a sink finally does not take goes to the dead letters with the route's name.
 */
export function createDispatcher(options: DispatchOptions): {
  readonly run: (signal: AbortSignal) => Promise<void>
} {
  return {
    run: async signal => {
      const stop = new AbortController()
      const until = AbortSignal.any([signal, stop.signal])
      try {
        await Promise.all(options.routes.map(async route => follow(options, route, until)))
      } finally {
        stop.abort()
      }
    },
  }
}
