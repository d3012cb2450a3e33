import { randomUUID } from 'node:crypto'
import { topics as topicTable, type TopicSpec } from '@muniment/schema'
import { append, pack } from './embedded/append.ts'
import { openDatabase, type Database } from './embedded/database.ts'
import { committedOffsets, createMembership, prepareGroupStatements } from './embedded/group.ts'
import { createEmbeddedLog, type EmbeddedLog } from './embedded/log.ts'
import { followOthers } from './embedded/poll.ts'
import { nameProcess } from './embedded/process.ts'
import { prepareRetentionStatements, sweep } from './embedded/retention.ts'
import { prepareStatements, type Statements } from './embedded/statements.ts'
import { createWriter, type Writer } from './embedded/writer.ts'
import { attend } from './local/attend.ts'
import { readLocal } from './local/reading.ts'
import { createSeat } from './local/seat.ts'
import { createNames, type Names } from './names.ts'
import { createPartitioner, type Partitioner } from './partition.ts'
import { busClosed, unknownTopic } from './records.ts'
import type { Bus, ConsumeOptions, Consumer, OutgoingRecord, PartitionState, TopicPartition } from './bus.ts'
import type { BusDeps, EmbeddedConfig } from './config.ts'

const defaultTimeoutMs = 30_000
const sweepEveryMs = 60_000

interface Embedded {
  readonly database: Database
  readonly statements: Statements
  readonly groups: ReturnType<typeof prepareGroupStatements>
  readonly names: Names
  readonly log: EmbeddedLog
  readonly writer: Writer
  readonly choose: Partitioner
  readonly now: () => number
  readonly newId: () => string
  readonly warn: (event: string, facts: Readonly<Record<string, unknown>>) => void
  readonly process: ReturnType<typeof nameProcess>
  readonly closing: AbortController
  readonly running: Set<Promise<void>>
}

async function publish(bus: Embedded, topic: string, records: readonly OutgoingRecord[]): Promise<void> {
  if (bus.closing.signal.aborted) throw busClosed()
  const { statements, log, writer, choose } = bus
  const parcels = pack(records, { topic, parts: log.rows(topic), choose })
  if (parcels.length === 0) return
  let bytes = 0
  for (const parcel of parcels) bytes += parcel.body.byteLength
  const onDone = (grown: ReadonlyMap<number, number>): void => log.note(grown)
  await writer.write({ run: () => append(statements, parcels, bus.now()), bytes, isSynced: true, onDone })
}

function consume(bus: Embedded, options: ConsumeOptions): Consumer {
  const { log, writer, closing, now, warn, groups } = bus
  const group = bus.names.group(options.group)
  const ended = AbortSignal.any([options.signal, closing.signal])
  const committed = ({ topic, partition }: TopicPartition): number | undefined => {
    const id = log.rows(topic)[partition]?.id
    return id === undefined ? undefined : committedOffsets(groups, group).get(id)
  }
  const seat = createSeat({ log, consume: options, ended, committed })
  const membership = createMembership({
    group,
    memberId: bus.newId(),
    process: bus.process,
    statements: groups,
    writer,
    log,
    seat,
    now,
    onFailure: seat.fail,
    warn,
  })
  const join = async (): Promise<void> => {
    if (closing.signal.aborted) throw busClosed()
    const missing = options.topics.find(topic => log.rows(topic).length === 0)
    if (missing !== undefined) throw unknownTopic(missing)
    await membership.join()
  }
  const consumer = attend({ seat, membership: { ...membership, join }, ended })
  const over = consumer.done.then(
    () => undefined,
    () => undefined,
  )
  bus.running.add(over)
  void over.finally(() => bus.running.delete(over))
  return consumer
}

function describe(bus: Embedded, topic: string, group: string | undefined): PartitionState[] {
  if (bus.closing.signal.aborted) throw busClosed()
  bus.log.refresh()
  const offsets =
    group === undefined ? new Map<number, number>() : committedOffsets(bus.groups, bus.names.group(group))
  return bus.log.rows(topic).map(({ id, partition, first, next }) => {
    const committedOffset = offsets.get(id)
    const state = { topic, partition, firstOffset: first, nextOffset: next }
    return committedOffset === undefined ? state : Object.assign(state, { committedOffset })
  })
}

async function createTopics(bus: Embedded, topics: readonly TopicSpec[]): Promise<void> {
  const { names, log, statements, writer } = bus
  const missing = topics.filter(spec => log.rows(spec.name).length === 0)
  if (missing.length === 0) return
  const run = (): void => {
    for (const { name, partitions, retentionMs } of missing)
      for (let partition = 0; partition < partitions; partition++)
        statements.addPart.run(names.topic(name), partition, retentionMs ?? null)
  }
  await writer.write({ run })
  log.refresh()
}

async function sweepAll(bus: Embedded): Promise<void> {
  const statements = prepareRetentionStatements(bus.database.connection)
  for (const part of bus.log.allRows()) {
    let isMore = true
    while (isMore && !bus.closing.signal.aborted) {
      isMore = await bus.writer.write({ run: () => sweep(statements, part, bus.now()) })
    }
  }
  bus.log.refresh()
}

/** Applies the retention of the topic table, now and every minute, in steps that other writers can pass. */
function sweepRegularly(bus: Embedded): { readonly stop: () => Promise<void> } {
  let working = Promise.resolve()
  const start = (): void => {
    working = working
      .then(() => sweepAll(bus))
      .catch((error: unknown) => bus.warn('bus.retention.failed', { error }))
  }
  start()
  const timer = setInterval(start, sweepEveryMs).unref()
  return {
    stop: async () => {
      clearInterval(timer)
      await working
    },
  }
}

function assemble(config: EmbeddedConfig, deps: BusDeps): Embedded {
  const { now = Date.now, newId = randomUUID, log: warn = () => undefined } = deps
  const names = createNames(config.topicPrefix)
  const database = openDatabase(config.dir)
  const statements = prepareStatements(database.connection)
  const log = createEmbeddedLog(database, statements, names)
  const timeoutMs = config.publishTimeoutMs ?? defaultTimeoutMs
  const writer = createWriter({ database, timeoutMs, now, onCommit: log.ring })
  log.refresh()
  return {
    database,
    statements,
    groups: prepareGroupStatements(database.connection),
    names,
    log,
    writer,
    choose: createPartitioner(),
    now,
    newId,
    warn,
    process: nameProcess(),
    closing: new AbortController(),
    running: new Set(),
  }
}

/** Opens topics in `<dir>/bus.db`, which any number of processes of this machine may use at once. Throws `DISK_UNUSABLE` or `CONFIG_INVALID`. */
export async function openEmbeddedBus(config: EmbeddedConfig, deps: BusDeps = {}): Promise<Bus> {
  const { topics = topicTable } = deps
  const bus = assemble(config, deps)
  const { log, closing, running, writer, database } = bus
  await createTopics(bus, topics)
  const following = followOthers(log)
  const sweeping = sweepRegularly(bus)
  return {
    publish: (topic, records) => publish(bus, topic, records),
    consume: options => consume(bus, options),
    read: options => {
      if (!closing.signal.aborted) log.look()
      return readLocal(log, { ...options, signal: AbortSignal.any([options.signal, closing.signal]) })
    },
    describe: async (topic, group) => describe(bus, topic, group),
    createTopics: () => createTopics(bus, topics),
    [Symbol.asyncDispose]: async () => {
      if (closing.signal.aborted) return
      closing.abort()
      await Promise.all(running)
      following[Symbol.dispose]()
      await sweeping.stop()
      await writer.drain()
      database.connection.close()
    },
  }
}
