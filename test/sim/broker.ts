import type { BusRecord, OutgoingRecord } from '@muniment/bus'
import { AppError, deadLetterTopic, topic } from '@muniment/schema'
import { createGroup, type Group } from './group.ts'
import type { Faults } from './faults.ts'
import type { Random } from './random.ts'
import { epochMs, type Time } from './time.ts'
import type { Trace } from './trace.ts'

/** What simulated things share. */
export interface Surroundings {
  readonly time: Time
  readonly random: Random
  readonly faults: Faults
  readonly trace: Trace
}

/** The brokers: topics, groups, and what they tell members. Lives through every crash. */
export interface Broker {
  readonly surroundings: Surroundings
  readonly logs: ReadonlyMap<string, readonly BusRecord[][]>
  readonly group: (name: string) => Group
  readonly groups: ReadonlyMap<string, Group>
  readonly append: (topicName: string, records: readonly OutgoingRecord[]) => void
  /** Called after records were appended. */
  readonly listeners: Set<() => void>
}

/** Few, for a cut of each costs most of a run. */
function partitionCounts(random: Random): readonly (readonly [string, number])[] {
  const count = 1 + random.int(2)
  return [
    [topic.raw, count],
    [topic.events, count],
    [topic.signals, 2],
    [topic.alerts, 1],
    [topic.control, 1],
    [deadLetterTopic(topic.raw), 1],
    [deadLetterTopic(topic.events), 1],
    [deadLetterTopic(topic.signals), 1],
  ]
}

/** What a bus says that cannot be reached. */
export function unreachable(what: string): AppError {
  return new AppError('DEPENDENCY_UNREACHABLE', `The simulated ${what} cannot be reached.`)
}

function partitionOf({ key, partition }: OutgoingRecord, count: number): number {
  if (partition !== undefined) return partition
  let hash = 7
  for (const character of key ?? '') hash = (hash * 31 + character.charCodeAt(0)) >>> 0
  return hash % count
}

/** Names a record without its content. */
function nameOf({ key, headers }: OutgoingRecord): string {
  const { mun_lane: lane, mun_from: from, mun_seq: seq, mun_first: first, mun_last: last } = headers
  if (lane === undefined) return `${key}:${first}-${last}`
  return from === seq ? `${lane}:${seq}` : `${lane}:${from}-${seq}`
}

/** Opens brokers with empty topics. */
export function createBroker(surroundings: Surroundings): Broker {
  const { time, trace, random } = surroundings
  const logs = new Map<string, BusRecord[][]>()
  for (const [name, count] of partitionCounts(random))
    logs.set(
      name,
      Array.from({ length: count }, () => []),
    )
  const groups = new Map<string, Group>()
  const listeners = new Set<() => void>()
  const broker: Broker = {
    surroundings,
    logs,
    groups,
    listeners,
    group: name => {
      const known = groups.get(name)
      if (known !== undefined) return known
      const group = createGroup(broker, name)
      groups.set(name, group)
      return group
    },
    append: (topicName, records) => {
      const partitions = logs.get(topicName)
      if (partitions === undefined) throw new AppError('BUS_REJECTED', `no topic ${topicName}`)
      for (const record of records) {
        const partition = partitionOf(record, partitions.length)
        const log = partitions[partition]
        if (log === undefined) throw new AppError('BUS_REJECTED', `no partition ${partition}`)
        const { key, value, headers } = record
        const timestampMs = epochMs + Math.floor(time.nowMs())
        const place = { topic: topicName, partition, offset: log.length }
        log.push({ ...place, key, value: value.slice(), headers: { ...headers }, timestampMs })
        trace('bus', `${topicName}/${partition} @${log.length - 1} ${nameOf(record)}`)
      }
      for (const listener of listeners) listener()
    },
  }
  return broker
}
