import { topics as topicTable, type TopicSpec } from '@muniment/schema'
import { attend } from './local/attend.ts'
import type { Limits, LocalLog } from './local/log.ts'
import { readLocal } from './local/reading.ts'
import { createSeat, shareOut, type Seat } from './local/seat.ts'
import { createNames, type Names } from './names.ts'
import { createPartitioner, type Partitioner } from './partition.ts'
import { busClosed, checkRecord, nameOf, unknownTopic } from './records.ts'
import type {
  Batch,
  Bus,
  BusRecord,
  ConsumeOptions,
  Consumer,
  OutgoingRecord,
  PartitionState,
  Position,
  TopicPartition,
} from './bus.ts'
import type { BusDeps, MemoryConfig } from './config.ts'

interface MemoryPartition {
  readonly place: TopicPartition
  readonly records: BusRecord[]
  readonly retentionMs: number
  firstOffset: number
}

interface MemoryGroup {
  readonly offsets: Map<string, number>
  members: readonly Seat[]
  /** Changes of the membership, one after another. */
  changes: Promise<void>
}

/** The records and groups of one or several memory buses; outlives them. */
interface MemoryBroker {
  readonly topics: Map<string, readonly MemoryPartition[]>
  readonly groups: Map<string, MemoryGroup>
  readonly listeners: Set<() => void>
}

function createPartitions(spec: TopicSpec): readonly MemoryPartition[] {
  return Array.from({ length: spec.partitions }, (_, partition) => ({
    place: { topic: spec.name, partition },
    records: [],
    retentionMs: spec.retentionMs ?? Number.POSITIVE_INFINITY,
    firstOffset: 0,
  }))
}

function nextOffset({ firstOffset, records }: MemoryPartition): number {
  return firstOffset + records.length
}

function fetchFrom(from: MemoryPartition, offset: number, limits: Limits): Batch | undefined {
  const end = nextOffset(from)
  const start = offset < from.firstOffset || offset > end ? from.firstOffset : offset
  const records: BusRecord[] = []
  let bytes = 0
  for (let index = start - from.firstOffset; index < from.records.length; index++) {
    const record = from.records[index]
    if (record === undefined || records.length >= limits.records) break
    bytes += record.value.byteLength
    if (records.length > 0 && bytes > limits.bytes) break
    records.push(record)
  }
  if (records.length === 0) return undefined
  return { ...from.place, records, nextOffset: start + records.length, highWatermark: end }
}

/** Drops what is older than the retention, oldest first, a run at a time. */
function expire(partition: MemoryPartition, nowMs: number): void {
  const limitMs = nowMs - partition.retentionMs
  if ((partition.records[0]?.timestampMs ?? limitMs) >= limitMs) return
  const kept = partition.records.findIndex(record => record.timestampMs >= limitMs)
  const count = kept < 0 ? partition.records.length : kept
  partition.records.splice(0, count)
  partition.firstOffset += count
}

/** Every member finishes its work in hand and gives its partitions back before anybody gets new ones. */
function changeMembers(
  group: MemoryGroup,
  log: LocalLog,
  change: (members: readonly Seat[]) => readonly Seat[],
): Promise<void> {
  const before = group.changes
  const alter = async (): Promise<void> => {
    await before
    await Promise.all(group.members.map(seat => seat.release()))
    group.members = change(group.members)
    const shares = shareOut(
      group.members.filter(seat => seat.isOpen()),
      topic => log.partitions(topic),
    )
    await Promise.all([...shares].map(([seat, partitions]) => seat.occupy(partitions)))
  }
  group.changes = alter()
  return group.changes
}

function createMemoryLog(broker: MemoryBroker, names: Names): LocalLog {
  const partitionsOf = (topic: string): readonly MemoryPartition[] =>
    broker.topics.get(names.topic(topic)) ?? []
  return {
    partitions: topic => partitionsOf(topic).map(each => each.place),
    fetch: ({ topic, partition, offset }, limits) => {
      const from = partitionsOf(topic)[partition]
      return from === undefined ? undefined : fetchFrom(from, offset, limits)
    },
    state: ({ topic, partition }) => {
      const found = partitionsOf(topic)[partition]
      if (found === undefined) throw unknownTopic(topic)
      return { topic, partition, firstOffset: found.firstOffset, nextOffset: nextOffset(found) }
    },
    onChange: listener => {
      broker.listeners.add(listener)
      return () => broker.listeners.delete(listener)
    },
    yieldTurn: () => Promise.resolve(),
  }
}

interface Memory {
  readonly broker: MemoryBroker
  readonly names: Names
  readonly log: LocalLog
  readonly now: () => number
  readonly choose: Partitioner
  readonly closing: AbortController
  readonly running: Set<Promise<void>>
}

function append(memory: Memory, topic: string, records: readonly OutgoingRecord[]): void {
  const partitions = memory.broker.topics.get(memory.names.topic(topic))
  if (partitions === undefined) throw unknownTopic(topic)
  for (const record of records) checkRecord(topic, record, partitions.length)
  const timestampMs = memory.now()
  for (const record of records) {
    const target = partitions[memory.choose(record, partitions.length)]
    if (target === undefined) throw unknownTopic(topic)
    const { key, value, headers } = record
    const offset = nextOffset(target)
    const copy = { value: value.slice(), headers: { ...headers } }
    target.records.push({ ...target.place, offset, key, ...copy, timestampMs })
  }
  for (const target of partitions) expire(target, timestampMs)
  for (const listener of memory.broker.listeners) listener()
}

function groupOf({ broker, names }: Memory, name: string): MemoryGroup {
  const key = names.group(name)
  const group = broker.groups.get(key) ?? { offsets: new Map(), members: [], changes: Promise.resolve() }
  broker.groups.set(key, group)
  return group
}

function consume(memory: Memory, options: ConsumeOptions): Consumer {
  const { log, closing } = memory
  const group = groupOf(memory, options.group)
  const ended = AbortSignal.any([options.signal, closing.signal])
  const committed = (place: TopicPartition): number | undefined => group.offsets.get(nameOf(place))
  const seat = createSeat({ log, consume: options, ended, committed })
  const join = async (): Promise<void> => {
    const missing = options.topics.find(topic => log.partitions(topic).length === 0)
    if (missing !== undefined) throw unknownTopic(missing)
    if (closing.signal.aborted) throw busClosed()
    await changeMembers(group, log, members => [...members, seat])
  }
  const leave = (): Promise<void> =>
    changeMembers(group, log, members => members.filter(each => each !== seat))
  const commit = async (positions: readonly Position[]): Promise<void> => {
    for (const position of positions) group.offsets.set(nameOf(position), position.offset)
  }
  const membership = { join, leave, commit }
  const consumer = attend({ seat, membership, ended })
  memory.running.add(consumer.done)
  return consumer
}

function describe(memory: Memory, topic: string, group: string | undefined): readonly PartitionState[] {
  const { broker, names, log } = memory
  const offsets = group === undefined ? undefined : broker.groups.get(names.group(group))?.offsets
  return log.partitions(topic).map(place => {
    const state = log.state(place)
    const committedOffset = offsets?.get(nameOf(place))
    return committedOffset === undefined ? state : Object.assign(state, { committedOffset })
  })
}

function createTopics({ broker, names }: Memory, topics: readonly TopicSpec[]): void {
  for (const spec of topics) {
    const name = names.topic(spec.name)
    if (!broker.topics.has(name)) broker.topics.set(name, createPartitions(spec))
  }
}

/** A bus in memory that can be opened again. */
interface MemoryBus extends Bus {
  /** Another connection to the same topics and groups, as another process would have it. */
  readonly connect: (config: MemoryConfig, deps?: BusDeps) => MemoryBus
}

function openOn(broker: MemoryBroker, config: MemoryConfig, deps: BusDeps): MemoryBus {
  const { now = Date.now, topics = topicTable } = deps
  const names = createNames(config.topicPrefix)
  const log = createMemoryLog(broker, names)
  const closing = new AbortController()
  const memory: Memory = { broker, names, log, now, choose: createPartitioner(), closing, running: new Set() }
  createTopics(memory, topics)
  return {
    publish: async (topic, records) => {
      if (closing.signal.aborted) throw busClosed()
      append(memory, topic, records)
    },
    consume: options => consume(memory, options),
    read: options =>
      readLocal(log, { ...options, signal: AbortSignal.any([options.signal, closing.signal]) }),
    describe: async (topic, group) => describe(memory, topic, group),
    createTopics: async () => createTopics(memory, topics),
    connect: (other, otherDeps = {}) => openOn(broker, other, otherDeps),
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      await Promise.allSettled(memory.running)
    },
  }
}

/** Topics in the memory of this process, without timers: the same calls in the same order have the same outcome. */
export function openMemoryBus(config: MemoryConfig, deps: BusDeps = {}): MemoryBus {
  return openOn({ topics: new Map(), groups: new Map(), listeners: new Set() }, config, deps)
}
