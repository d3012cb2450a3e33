import { setTimeout as delay } from 'node:timers/promises'
import type { Admin, ITopicConfig, Kafka } from 'kafkajs'
import type { TopicSpec } from '@muniment/schema'
import type { PartitionState } from '../bus.ts'
import type { Names } from '../names.ts'
import { describeFailure, isElection } from './errors.ts'

/** Asks brokers about topics and groups, each time on a connection of its own. */
export interface Administration {
  readonly isTopic: (topic: string) => Promise<boolean>
  readonly describe: (topic: string, group?: string) => Promise<readonly PartitionState[]>
  readonly createTopics: (specs: readonly TopicSpec[]) => Promise<void>
  readonly deleteGroup: (group: string) => Promise<void>
}

async function askOnce<T>(client: Kafka, question: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = client.admin({ retry: { retries: 4, initialRetryTime: 100, maxRetryTime: 1000 } })
  try {
    await admin.connect()
    return await question(admin)
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

const electionPausesMs = [100, 200, 400, 800, 1600, 3200]

/** kafkajs gives up at once on a partition that has no leader yet. */
async function ask<T>(client: Kafka, question: (admin: Admin) => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await askOnce(client, question)
    } catch (error) {
      const pauseMs = isElection(error) ? electionPausesMs[attempt] : undefined
      if (pauseMs === undefined) throw describeFailure('the brokers could not be asked', error)
      await delay(pauseMs)
    }
  }
}

function topicConfig(name: string, spec: TopicSpec): ITopicConfig {
  const cleanup =
    spec.retentionMs === undefined
      ? [{ name: 'cleanup.policy', value: 'compact' }]
      : [
          { name: 'cleanup.policy', value: 'delete' },
          { name: 'retention.ms', value: String(spec.retentionMs) },
        ]
  // Times by the broker's clock: producers run on machines whose clocks nobody watches.
  const configEntries = [...cleanup, { name: 'message.timestamp.type', value: 'LogAppendTime' }]
  return { topic: name, numPartitions: spec.partitions, replicationFactor: -1, configEntries }
}

async function describe(admin: Admin, name: string, groupId: string | undefined) {
  const existing = await admin.listTopics()
  if (!existing.includes(name)) return []
  const offsets = await admin.fetchTopicOffsets(name)
  const [committed] = groupId === undefined ? [] : await admin.fetchOffsets({ groupId, topics: [name] })
  const byPartition = new Map(committed?.partitions.map(each => [each.partition, Number(each.offset)]))
  return offsets
    .toSorted((left, right) => left.partition - right.partition)
    .map(({ partition, low, high }) => {
      const committedOffset = byPartition.get(partition) ?? -1
      const range = { partition, firstOffset: Number(low), nextOffset: Number(high) }
      return committedOffset < 0 ? range : Object.assign(range, { committedOffset })
    })
}

export function createAdministration(client: () => Kafka, names: Names): Administration {
  return {
    isTopic: topic => ask(client(), async admin => (await admin.listTopics()).includes(names.topic(topic))),
    describe: async (topic, group) => {
      const groupId = group === undefined ? undefined : names.group(group)
      const found = await ask(client(), admin => describe(admin, names.topic(topic), groupId))
      return found.map(state => Object.assign(state, { topic }))
    },
    createTopics: specs =>
      ask(client(), async admin => {
        const existing = new Set(await admin.listTopics())
        const missing = specs
          .map(spec => topicConfig(names.topic(spec.name), spec))
          .filter(({ topic }) => !existing.has(topic))
        if (missing.length > 0) await admin.createTopics({ topics: missing, waitForLeaders: true })
      }),
    deleteGroup: group =>
      ask(client(), async admin => {
        await admin.deleteGroups([names.group(group)])
      }),
  }
}
