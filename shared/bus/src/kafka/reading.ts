import { createDeferred, type Deferred } from '../deferred.ts'
import { unknownTopic } from '../records.ts'
import { startConsumer, type ConsumerOptions } from './consumer.ts'
import type { Batch, BusRecord, Consumer, PartitionState, ReadOptions } from '../bus.ts'

/** Groups that exist only for a read: they commit nothing and are deleted afterwards. */
const groupPrefix = 'muniment.read.'

export type ReadDependencies = Omit<ConsumerOptions, 'consume' | 'groupId' | 'onSkip'> & {
  readonly newId: () => string
}

interface Cursor {
  readonly end: number
  offset: number
}

function startOf(state: PartitionState, { from }: ReadOptions): number {
  if (from === 'end') return state.nextOffset
  const wanted = from?.find(position => position.partition === state.partition)
  return wanted?.offset ?? state.firstOffset
}

function createCursors(states: readonly PartitionState[], options: ReadOptions): Map<number, Cursor> {
  return new Map(
    states.map(state => {
      const end = options.untilEnd === true ? state.nextOffset : Number.POSITIVE_INFINITY
      return [state.partition, { end, offset: startOf(state, options) }]
    }),
  )
}

/** A batch on its way to the reader; the consumer goes on when it was taken. */
interface Delivery {
  readonly batch: Pick<Batch, 'partition' | 'records' | 'nextOffset'>
  readonly taken: Deferred<void>
}

interface Reading {
  readonly dependencies: ReadDependencies
  readonly topic: string
  readonly cursors: ReadonlyMap<number, Cursor>
  readonly deliveries: Delivery[]
  wake: Deferred<void>
}

function isOver({ dependencies, cursors }: Reading): boolean {
  return dependencies.ended.aborted || [...cursors.values()].every(({ offset, end }) => offset >= end)
}

async function give(reading: Reading, batch: Delivery['batch'], signal: AbortSignal): Promise<void> {
  const delivery = { batch, taken: createDeferred<void>() }
  const giveUp = (): void => delivery.taken.resolve(undefined)
  signal.addEventListener('abort', giveUp)
  reading.deliveries.push(delivery)
  reading.wake.resolve(undefined)
  await delivery.taken.promise
  signal.removeEventListener('abort', giveUp)
}

/** What the reader has not had yet: after a rebalance the same records may come again. */
function* unread(
  reading: Reading,
  { records, partition, nextOffset }: Delivery['batch'],
): Generator<BusRecord> {
  const cursor = reading.cursors.get(partition)
  if (cursor === undefined) return
  for (const record of records) {
    if (reading.dependencies.ended.aborted) return
    if (record.offset < cursor.offset || record.offset >= cursor.end) continue
    cursor.offset = record.offset + 1
    yield record
  }
  cursor.offset = Math.max(cursor.offset, nextOffset)
}

function start(reading: Reading, stop: AbortController, group: string): Consumer {
  const { dependencies, topic, cursors } = reading
  const consumer = startConsumer({
    ...dependencies,
    groupId: dependencies.names.group(group),
    ended: AbortSignal.any([dependencies.ended, stop.signal]),
    onSkip: ({ partition, offset }) => {
      reading.deliveries.push({
        batch: { partition, records: [], nextOffset: offset },
        taken: createDeferred(),
      })
      reading.wake.resolve(undefined)
    },
    consume: {
      group,
      topics: [topic],
      signal: stop.signal,
      onAssign: async () => [...cursors].map(([partition, { offset }]) => ({ topic, partition, offset })),
      onBatch: (batch, signal) => give(reading, batch, signal),
    },
  })
  const wake = (): void => reading.wake.resolve(undefined)
  consumer.done.then(wake, wake)
  return consumer
}

async function* drain(reading: Reading, isLive: () => boolean): AsyncGenerator<BusRecord> {
  while (!isOver(reading)) {
    const delivery = reading.deliveries.shift()
    if (delivery === undefined) {
      if (!isLive()) return
      await reading.wake.promise
      reading.wake = createDeferred()
    } else {
      yield* unread(reading, delivery.batch)
      delivery.taken.resolve(undefined)
    }
  }
}

async function* follow(
  dependencies: ReadDependencies,
  options: ReadOptions,
  asked: Promise<readonly PartitionState[]>,
): AsyncGenerator<BusRecord> {
  const { topic } = options
  const states = await asked
  if (states.length === 0) throw unknownTopic(topic)
  const cursors = createCursors(states, options)
  const reading: Reading = { dependencies, topic, cursors, deliveries: [], wake: createDeferred() }
  if (isOver(reading)) return
  const stop = new AbortController()
  const group = groupPrefix + dependencies.newId()
  const consumer = start(reading, stop, group)
  let isLive = true
  const end = (): void => {
    isLive = false
  }
  consumer.done.then(end, end)
  try {
    yield* drain(reading, () => isLive)
    if (!isOver(reading)) await consumer.done
  } finally {
    stop.abort()
    await consumer.done.catch(() => undefined)
    await dependencies.admin.deleteGroup(group).catch(() => undefined)
  }
}

/** Reads a topic without a lasting group. Start and end are asked for when this is called. */
export function readKafka(dependencies: ReadDependencies, options: ReadOptions): AsyncIterable<BusRecord> {
  const asked = dependencies.admin.describe(options.topic)
  asked.catch(() => undefined)
  return follow(dependencies, options, asked)
}
