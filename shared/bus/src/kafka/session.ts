import { setTimeout as delay } from 'node:timers/promises'
import { createDeferred } from '../deferred.ts'
import { nameOf } from '../records.ts'
import { cutBatches, type Limits } from './batches.ts'
import { isRebalance } from './errors.ts'
import { createGeneration, finish, handOver, holds, moveTo, type Generation } from './generation.ts'
import type { Consumer as Client, EachBatchPayload, Kafka } from 'kafkajs'
import type { ConsumeHandler, Position, TopicPartition } from '../bus.ts'
import type { Names } from '../names.ts'

/** Batches of one consumer that are worked on at the same time. */
const maxInHand = 4
const rebalanceTimeoutMs = 60_000
/** Also how long it takes until a member learns that another has come or gone. */
const heartbeatMs = 1000
const keepAliveMs = 500
const maxWaitMs = 500
const closeTimeoutMs = 5000
const maxFetchBytes = 10 * 1024 * 1024
const maxPartitionFetchBytes = 1024 * 1024

export interface SessionOptions {
  readonly client: Kafka
  readonly groupId: string
  readonly topics: readonly string[]
  readonly names: Names
  readonly limits: Limits
  readonly sessionTimeoutMs: number
  readonly handler: ConsumeHandler
  /** Called where offsets were passed that hold no records: control records, or what compaction left out. */
  readonly onSkip?: (position: Position) => void
}

/** How a session ended other than by closing it. */
export type Ending =
  /** The handler rejected: the consumer must stop. */
  | { readonly kind: 'failed'; readonly error: unknown }
  /** The client gave up: a new session may do better. */
  | { readonly kind: 'crashed'; readonly error: unknown }

/** One life of one kafkajs consumer. */
export interface Session {
  readonly ended: Promise<Ending>
  /** Rejects where the brokers cannot be reached. The handler may be called before it resolves. */
  readonly join: () => Promise<void>
  readonly generation: () => Generation | undefined
  readonly commit: (positions: readonly Position[]) => Promise<void>
  readonly seek: (position: Position) => void
  readonly setPaused: (partitions: readonly TopicPartition[], isPaused: boolean) => void
  /** Finishes the work in hand, gives the partitions back and leaves the group. */
  readonly close: () => Promise<void>
}

interface State {
  readonly options: SessionOptions
  readonly client: Client
  readonly end: (ending: Ending) => void
  generation: Generation | undefined
  isOver: boolean
}

function fail(state: State, error: unknown): void {
  state.isOver = true
  state.end({ kind: 'failed', error })
}

/** Gives partitions back, once; the handler is told after its work in hand. */
function revoke(state: State, generation: Generation): Promise<void> {
  generation.revoked ??= (async (): Promise<void> => {
    await finish(generation)
    if (generation.places.length === 0) return
    try {
      await state.options.handler.onRevoke?.(generation.places)
    } catch (error) {
      fail(state, error)
    }
  })()
  return generation.revoked
}

async function assign(state: State, previous: Generation | undefined, generation: Generation): Promise<void> {
  const { client, options } = state
  const { names, handler } = options
  if (previous !== undefined) {
    await finish(previous)
    await previous.revoked
  }
  if (generation.places.length === 0 || state.isOver) return
  client.resume(
    generation.places.map(({ topic, partition }) => ({ topic: names.topic(topic), partitions: [partition] })),
  )
  try {
    const wanted = (await handler.onAssign?.(generation.places)) ?? []
    if (generation.stop.signal.aborted) return
    for (const position of wanted) seek(state, position)
  } catch (error) {
    fail(state, error)
  }
}

function begin(state: State, assignment: Readonly<Record<string, readonly number[]>>): void {
  const { names } = state.options
  const places = Object.entries(assignment).flatMap(([name, partitions]) => {
    const topic = names.logical(name)
    return topic === undefined ? [] : partitions.map(partition => ({ topic, partition }))
  })
  const previous = state.generation
  previous?.stop.abort()
  const generation = createGeneration(places)
  state.generation = generation
  generation.ready = assign(state, previous, generation)
}

function seek(state: State, position: Position): void {
  const { generation, client, options } = state
  if (generation === undefined || state.isOver || !holds(generation, position)) return
  moveTo(generation, position)
  const { topic, partition, offset } = position
  client.seek({ topic: options.names.topic(topic), partition, offset: String(offset) })
}

function setPaused(state: State, partitions: readonly TopicPartition[], isPaused: boolean): void {
  const { generation, client, options } = state
  if (generation === undefined || state.isOver) return
  for (const place of partitions.filter(each => holds(generation, each))) {
    const named = [{ topic: options.names.topic(place.topic), partitions: [place.partition] }]
    if (isPaused) {
      generation.paused.add(nameOf(place))
      client.pause(named)
    } else {
      generation.paused.delete(nameOf(place))
      client.resume(named)
    }
  }
}

/** Tells the group that this member lives while a batch is worked on, and learns there that partitions are lost. */
function keepAlive(generation: Generation, payload: EachBatchPayload) {
  let loss: unknown
  const timer = setInterval(() => {
    payload.heartbeat().catch((error: unknown) => {
      if (!isRebalance(error)) return
      loss ??= error
      generation.stop.abort()
    })
  }, keepAliveMs)
  return {
    loss: (): unknown => loss,
    stop: (): void => clearInterval(timer),
  }
}

async function handOut(state: State, generation: Generation, payload: EachBatchPayload): Promise<void> {
  const { handler, limits, names } = state.options
  const { batch } = payload
  const place = { topic: names.logical(batch.topic) ?? batch.topic, partition: batch.partition }
  const isLost = (): boolean =>
    state.isOver ||
    generation.stop.signal.aborted ||
    state.generation !== generation ||
    !payload.isRunning() ||
    payload.isStale()
  await generation.ready
  const fetched = {
    place,
    messages: batch.messages,
    nextOffset: Number(batch.lastOffset()) + 1,
    highWatermark: Number(batch.highWatermark),
  }
  for (const part of cutBatches(fetched, limits)) {
    if (isLost() || generation.paused.has(nameOf(place))) return
    await handOver(generation, part, (each, signal) => handler.onBatch(each, signal))
    if (isLost()) return
    payload.resolveOffset(String(part.nextOffset - 1))
    moveTo(generation, { ...place, offset: part.nextOffset })
  }
}

async function eachBatch(state: State, payload: EachBatchPayload): Promise<void> {
  const { generation } = state
  if (generation === undefined || state.isOver) return
  const alive = keepAlive(generation, payload)
  try {
    await handOut(state, generation, payload)
  } catch (error) {
    if (!generation.stop.signal.aborted) fail(state, error)
  } finally {
    alive.stop()
  }
  const loss = alive.loss()
  if (loss instanceof Error) throw loss
}

function observe(state: State): void {
  const { client, options } = state
  const { events } = client
  client.on(events.GROUP_JOIN, ({ payload }) => begin(state, payload.memberAssignment))
  client.on(events.REBALANCING, () => {
    if (state.generation !== undefined) void revoke(state, state.generation)
  })
  client.on(events.CRASH, ({ payload }) => state.end({ kind: 'crashed', error: payload.error }))
  client.on(events.END_BATCH_PROCESS, ({ payload }) => {
    const topic = options.names.logical(payload.topic)
    if (payload.batchSize > 0 || topic === undefined) return
    options.onSkip?.({ topic, partition: payload.partition, offset: Number(payload.lastOffset) + 1 })
  })
}

async function close(state: State): Promise<void> {
  state.isOver = true
  if (state.generation !== undefined) await revoke(state, state.generation)
  // A client that waits for a broker that is away must not keep the process.
  const patience = delay(closeTimeoutMs, undefined, { ref: false })
  await Promise.race([state.client.disconnect().catch(() => undefined), patience])
}

async function join(state: State): Promise<void> {
  const { client, options } = state
  await client.connect()
  await client.subscribe({ topics: options.topics.map(options.names.topic), fromBeginning: true })
  await client.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: maxInHand,
    eachBatch: payload => eachBatch(state, payload),
  })
}

async function commit({ client, options }: State, positions: readonly Position[]): Promise<void> {
  const { names } = options
  await client.commitOffsets(
    positions.map(({ topic, partition, offset }) => ({
      topic: names.topic(topic),
      partition,
      offset: String(offset),
    })),
  )
}

export function createSession(options: SessionOptions): Session {
  const client = options.client.consumer({
    groupId: options.groupId,
    sessionTimeout: options.sessionTimeoutMs,
    rebalanceTimeout: rebalanceTimeoutMs,
    heartbeatInterval: heartbeatMs,
    maxWaitTimeInMs: maxWaitMs,
    maxBytes: maxFetchBytes,
    maxBytesPerPartition: maxPartitionFetchBytes,
    allowAutoTopicCreation: false,
    // The supervisor decides about restarts: kafkajs would restart for ever, or not at all.
    retry: { retries: 5, initialRetryTime: 200, maxRetryTime: 1000, restartOnFailure: async () => false },
  })
  const ended = createDeferred<Ending>()
  const state: State = { options, client, end: ended.resolve, generation: undefined, isOver: false }
  observe(state)
  return {
    ended: ended.promise,
    join: () => join(state),
    generation: () => state.generation,
    commit: positions => commit(state, positions),
    seek: position => seek(state, position),
    setPaused: (partitions, isPaused) => setPaused(state, partitions, isPaused),
    close: () => close(state),
  }
}
