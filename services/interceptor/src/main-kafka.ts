// The thread that talks to Kafka for an observed process: neither its connections nor its faults are the process's own.
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { openKafkaBus, type KafkaConfig } from '@muniment/bus/kafka'
import { topic } from '@muniment/schema'
import type { KafkaSettings } from './kafka-settings.ts'
import { createControlVerifier, readDecision } from '@muniment/keys/control'
import type { FromWorker, Outcome, Outgoing, ToWorker, WorkerSettings } from './kafka.ts'
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

async function publish({ id, records }: Outgoing): Promise<Outcome> {
  try {
    const bus = await opening
    await bus.publish(topic.raw, records)
    return { id }
  } catch (error) {
    const { code, message, hint } = problemOf(error, 'Kafka did not take a batch')
    return { id, problem: { code, message, hint } }
  }
}

function say(message: FromWorker): void {
  parentPort?.postMessage(message, [])
}

const firstPauseMs = 500
const lastPauseMs = 10_000

/** Reads to wherever the topic ends and goes on; verified here, so that many decisions cost the observed process nothing. */
async function readControl(publicKeys: readonly string[]): Promise<void> {
  const verifier = createControlVerifier(publicKeys)
  const bus = await opening
  const { signal } = new AbortController()
  for await (const { value } of bus.read({ topic: topic.control, signal })) {
    // The tombstone of a compacted topic.
    if (value.length === 0) continue
    const decision = readDecision(verifier, value)
    if (typeof decision === 'string') say({ decisions: [], refused: 1 })
    else say({ decisions: [decision], refused: 0 })
  }
}

/** Never gives up: what is in force stays in force meanwhile, and each reading starts from the beginning. */
async function follow(publicKeys: readonly string[]): Promise<never> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(lastPauseMs, pauseMs * 2)) {
    try {
      await readControl(publicKeys)
    } catch (error) {
      const { code, message, hint } = problemOf(error, 'Control decisions could not be read')
      say({ trouble: { code, message, hint } })
    }
    await sleep(pauseMs)
  }
}

parentPort?.on('message', (asked: ToWorker) => {
  if ('followWith' in asked) void follow(asked.followWith)
  else void publish(asked).then(say)
})
