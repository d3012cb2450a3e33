// The thread that talks to Kafka for an observed process: neither its connections nor its faults are the process's own.
import { readFile } from 'node:fs/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { openKafkaBus, type KafkaConfig } from '@muniment/bus/kafka'
import { topic } from '@muniment/schema'
import type { KafkaSettings } from './kafka-settings.ts'
import type { FromWorker, ToWorker, WorkerSettings } from './kafka.ts'
import { problemOf } from './problem.ts'

/** How long a batch may take; long before it what follows goes to the spool. */
const publishTimeoutMs = 30_000

function saslOf(sasl: NonNullable<KafkaSettings['sasl']>): NonNullable<KafkaConfig['sasl']> {
  if (sasl.mechanism !== 'oauthbearer') return sasl
  const { mechanism, tokenFile } = sasl
  return { mechanism, token: async () => (await readFile(tokenFile, 'utf8')).trim() }
}

function configOf({ kafka, topicPrefix }: WorkerSettings): KafkaConfig {
  const { sasl, ...rest } = kafka
  return {
    kind: 'kafka',
    publishTimeoutMs,
    ...rest,
    ...(sasl !== undefined && { sasl: saslOf(sasl) }),
    ...(topicPrefix !== undefined && { topicPrefix }),
  }
}

const settings: WorkerSettings = workerData
const opening = openKafkaBus(configOf(settings))

async function publish({ id, records }: ToWorker): Promise<FromWorker> {
  try {
    const bus = await opening
    await bus.publish(topic.raw, records)
    return { id }
  } catch (error) {
    const { code, message, hint } = problemOf(error, 'Kafka did not take a batch')
    return { id, problem: { code, message, hint } }
  }
}

parentPort?.on('message', (batch: ToWorker) => {
  void publish(batch).then(answer => parentPort?.postMessage(answer, []))
})
