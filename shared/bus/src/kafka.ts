import { randomUUID } from 'node:crypto'
import { topics as topicTable } from '@muniment/schema'
import { createAdministration, type Administration } from './kafka/admin.ts'
import { createClient } from './kafka/client.ts'
import { compressionOf } from './kafka/compression.ts'
import { startConsumer } from './kafka/consumer.ts'
import { readKafka } from './kafka/reading.ts'
import { createSender, type Sender } from './kafka/sender.ts'
import { createNames, type Names } from './names.ts'
import { busClosed } from './records.ts'
import type { Kafka } from 'kafkajs'
import type { Bus, ConsumeOptions, Consumer } from './bus.ts'
import type { BusDeps, KafkaConfig } from './config.ts'

export type { Bus, OutgoingRecord } from './bus.ts'
export type { BusDeps, KafkaConfig } from './config.ts'

const defaultTimeoutMs = 120_000
const defaultSessionTimeoutMs = 10_000

/** A function that makes its value when it is first asked. */
function once<T extends object>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

interface Parts {
  readonly client: () => Kafka
  readonly names: Names
  readonly admin: Administration
  readonly sender: () => Sender
  readonly timeoutMs: number
  readonly sessionTimeoutMs: number
  readonly log: NonNullable<BusDeps['log']>
  readonly closing: AbortController
  readonly running: Set<Promise<void>>
}

function assemble(config: KafkaConfig, { topics = topicTable, log = () => undefined }: BusDeps): Parts {
  const names = createNames(config.topicPrefix)
  const timeoutMs = config.publishTimeoutMs ?? defaultTimeoutMs
  const opened = once(() => createClient(config, log))
  const client = (): Kafka => opened().kafka
  const compressions = new Map(topics.map(spec => [spec.name, compressionOf(spec)]))
  const sender = once(() =>
    createSender({
      client: opened(),
      timeoutMs,
      nameOnBus: names.topic,
      compressionOf: topic => compressions.get(topic) ?? 'none',
      log,
    }),
  )
  const admin = createAdministration(client, names)
  return {
    client,
    names,
    admin,
    sender,
    timeoutMs,
    sessionTimeoutMs: config.sessionTimeoutMs ?? defaultSessionTimeoutMs,
    log,
    closing: new AbortController(),
    running: new Set(),
  }
}

function consume(parts: Parts, options: ConsumeOptions): Consumer {
  const { names, closing, running } = parts
  const ended = AbortSignal.any([options.signal, closing.signal])
  const consumer = startConsumer({ ...parts, ended, consume: options, groupId: names.group(options.group) })
  const over = consumer.done.catch(() => undefined)
  running.add(over)
  void over.finally(() => running.delete(over))
  return consumer
}

/** Opens topics on Kafka brokers. Connects, and loads the client, on first use. Throws `CONFIG_INVALID`. */
export async function openKafkaBus(config: KafkaConfig, deps: BusDeps = {}): Promise<Bus> {
  const { topics = topicTable, newId = randomUUID } = deps
  const parts = assemble(config, deps)
  const { admin, sender, closing, running } = parts
  return {
    publish: async (topic, records) => {
      if (closing.signal.aborted) throw busClosed()
      await sender().publish(topic, records)
    },
    consume: options => consume(parts, options),
    read: options => {
      const ended = AbortSignal.any([options.signal, closing.signal])
      return readKafka({ ...parts, ended, newId }, options)
    },
    describe: (topic, group) => admin.describe(topic, group),
    createTopics: () => admin.createTopics(topics),
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      await Promise.all(running)
      await sender().close()
    },
  }
}
