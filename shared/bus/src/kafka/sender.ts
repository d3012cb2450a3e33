import { Buffer } from 'node:buffer'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '@muniment/schema'
import { createDeferred } from '../deferred.ts'
import { createPartitioner } from '../partition.ts'
import { checkRecord } from '../records.ts'
import { createAccumulator, type Accumulator, type Load } from './accumulator.ts'
import { compressionTypes, type Compression } from './compression.ts'
import { describeFailure, isUnknownTopic, judge, type Verdict } from './errors.ts'
import type { Message, Producer } from 'kafkajs'
import type { OutgoingRecord } from '../bus.ts'
import type { Client } from './client.ts'

const retryDelayMs = 250
/** A producer that failed so often in a row is replaced, in case it is the client that is stuck. */
const maxFailures = 4
/** A broker that has just started does not know its topics yet; the client itself asks for a second each time. */
const unknownTopicPatience = 2
/** What a closing bus still waits for. */
const closeTimeoutMs = 5000

export interface SenderOptions {
  readonly client: Client
  readonly timeoutMs: number
  readonly nameOnBus: (topic: string) => string
  readonly compressionOf: (topic: string) => Compression
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
}

/** Publishes with one request at a time, which is what keeps an idempotent kafkajs producer from losing records. */
export interface Sender {
  readonly publish: (topic: string, records: readonly OutgoingRecord[]) => Promise<void>
  readonly close: () => Promise<void>
}

interface State {
  readonly options: SenderOptions
  readonly queue: Accumulator
  /** Partitions are chosen once, so that every repetition of a request is the same. */
  readonly partitions: WeakMap<object, number>
  producer: Promise<Producer> | undefined
  working: Promise<void> | undefined
}

function createProducer({ options, partitions }: State): Producer {
  const choose = createPartitioner()
  return options.client.kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    // Few: kafkajs goes on with these even when it was told to disconnect. The loop below goes on until the deadline.
    retry: { retries: 4, initialRetryTime: 100, maxRetryTime: 1000 },
    createPartitioner:
      () =>
      ({ topic, partitionMetadata, message }) => {
        const known = partitions.get(message)
        if (known !== undefined) return known
        const record = { key: keyOf(message), headers: {}, value: Buffer.alloc(0), ...partitionOf(message) }
        checkRecord(topic, record, partitionMetadata.length)
        const chosen = choose(record, partitionMetadata.length)
        partitions.set(message, chosen)
        return chosen
      },
  })
}

function keyOf({ key }: Message): string | null {
  if (key === undefined || key === null) return null
  return typeof key === 'string' ? key : key.toString()
}

function partitionOf({ partition }: Message): { partition?: number } {
  return partition === undefined ? {} : { partition }
}

function messageOf({ key, value, headers, partition }: OutgoingRecord): Message {
  return {
    key,
    value: Buffer.from(value.buffer, value.byteOffset, value.byteLength),
    headers: { ...headers },
    ...(partition !== undefined && { partition }),
  }
}

/** The producer of this sender, connected; one that could not connect is forgotten. */
function connect(state: State): Promise<Producer> {
  const producer = createProducer(state)
  const connecting = producer.connect().then(() => producer)
  connecting.catch(() => {
    if (state.producer === connecting) state.producer = undefined
  })
  return connecting
}

/** Whatever it still holds may or may not be stored; nothing else may be sent with its numbering. */
function discard(state: State): void {
  const { producer } = state
  state.producer = undefined
  producer?.then(
    each => each.disconnect().catch(() => undefined),
    () => undefined,
  )
}

class DeadlinePassed extends Error {}

async function within<T>(deadlineMs: number, answer: Promise<T>): Promise<T> {
  const late = createDeferred<never>()
  const timer = setTimeout(
    () => late.reject(new DeadlinePassed()),
    Math.max(0, deadlineMs - performance.now()),
  )
  try {
    return await Promise.race([answer, late.promise])
  } finally {
    clearTimeout(timer)
    answer.catch(() => undefined)
  }
}

async function send(state: State, load: Load, messages: Message[]): Promise<void> {
  const { nameOnBus, compressionOf } = state.options
  state.producer ??= connect(state)
  const producer = await within(load.deadlineMs, state.producer)
  const topic = nameOnBus(load.topic)
  const compression = compressionTypes[compressionOf(load.topic)]
  await within(load.deadlineMs, producer.send({ topic, messages, acks: -1, compression }))
}

function verdictOn(error: unknown, failures: number): Verdict {
  return failures <= unknownTopicPatience && isUnknownTopic(error) ? 'again' : judge(error)
}

/** Draws the conclusions from a failure; returns whether the load is to be sent again. */
function isToBeRepeated(state: State, load: Load, { error, failures }: Failure): boolean {
  const { queue, options } = state
  const verdict = verdictOn(error, failures)
  const failure = describeFailure(`${load.topic} could not be published`, error)
  const isLate = error instanceof DeadlinePassed || performance.now() + retryDelayMs >= load.deadlineMs
  if (verdict !== 'again' || isLate || failures % maxFailures === 0) discard(state)
  if (verdict === 'refused') {
    queue.refuse(load, failure)
    return false
  }
  if (isLate) {
    queue.expire(Math.max(performance.now(), load.deadlineMs), tooLate(options, failure))
    return false
  }
  if (isPowerOfTwo(failures)) {
    options.log('bus.kafka.retry', { topic: load.topic, failures, reason: failure.message })
  }
  return true
}

interface Failure {
  readonly error: unknown
  /** How many there were for this load, this one included. */
  readonly failures: number
}

/** Sends one load until it is durable, refused or too late. */
async function deliver(state: State, load: Load): Promise<void> {
  const messages = load.records.map(messageOf)
  for (let failures = 1; ; failures++) {
    try {
      await send(state, load, messages)
      state.options.client.forget()
      state.queue.succeed(load)
      return
    } catch (error) {
      if (!isToBeRepeated(state, load, { error, failures })) return
      await delay(retryDelayMs)
    }
  }
}

/** Seldom enough for a log, however long the brokers are away. */
function isPowerOfTwo(count: number): boolean {
  return (count & (count - 1)) === 0
}

function tooLate({ timeoutMs, client }: SenderOptions, failure: AppError): AppError {
  const isSilent = failure.cause instanceof DeadlinePassed
  const reason = isSilent ? (client.trouble() ?? 'the brokers did not answer') : failure.message
  return new AppError('DEPENDENCY_UNREACHABLE', `not published within ${timeoutMs} ms: ${reason}`, {
    details: { timeoutMs },
    cause: failure.cause,
  })
}

async function work(state: State): Promise<void> {
  // Whatever is published in this turn of the event loop shares requests.
  await new Promise(resolve => {
    setImmediate(resolve)
  })
  for (let load = state.queue.peek(); load !== undefined; load = state.queue.peek())
    await deliver(state, load)
  state.working = undefined
}

export function createSender(options: SenderOptions): Sender {
  const state: State = {
    options,
    queue: createAccumulator(),
    partitions: new WeakMap(),
    producer: undefined,
    working: undefined,
  }
  return {
    publish: async (topic, records) => {
      if (records.length === 0) return
      for (const record of records) checkRecord(topic, record, Number.POSITIVE_INFINITY)
      const published = state.queue.add(topic, records, performance.now() + options.timeoutMs)
      state.working ??= work(state)
      await published
    },
    close: async () => {
      const patience = new AbortController()
      const given = delay(closeTimeoutMs, undefined, { signal: patience.signal }).catch(() => undefined)
      await Promise.race([state.working, given])
      patience.abort()
      const error = new AppError('DEPENDENCY_UNREACHABLE', 'the bus was closed before the brokers answered')
      state.queue.rejectAll(error)
      const { producer } = state
      state.producer = undefined
      await Promise.race([
        producer?.then(each => each.disconnect()).catch(() => undefined),
        delay(2000, undefined, { ref: false }),
      ])
    },
  }
}
