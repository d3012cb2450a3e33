import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { runProgram } from '../lanes/cache.ts'
import { describeLanes } from '../lanes/lanes.ts'
import { startS3 } from '../lanes/s3.ts'
import { startComposeBroker, type ComposeBroker } from './broker.ts'

function job(name: string): string {
  return fileURLToPath(new URL(`../../infra/docker/${name}`, import.meta.url))
}

function client(broker: ComposeBroker, user: string): Kafka {
  return new Kafka({
    brokers: [`localhost:${broker.port}`],
    ssl: { ca: [readFileSync(broker.certificateFile, 'utf8')] },
    sasl: {
      mechanism: 'scram-sha-512',
      username: user,
      password: readFileSync(join(broker.secretsFolder, `kafka-${user}`), 'utf8'),
    },
    logLevel: logLevel.NOTHING,
    retry: { retries: 10, maxRetryTime: 300 },
  })
}

async function write(kafka: Kafka, topic: string): Promise<'done' | 'refused'> {
  const producer = kafka.producer({ retry: { retries: 1 } })
  await producer.connect()
  try {
    await producer.send({ topic, messages: [{ key: 'k', value: 'v' }] })
    return 'done'
  } catch (error) {
    expect(String(error)).toMatch(/authorized|authoriz/iu)
    return 'refused'
  } finally {
    await producer.disconnect()
  }
}

/** Reads `topic` from the beginning, as a member of `groupId`, until a record or a refusal comes. */
async function read(kafka: Kafka, topic: string, groupId: string): Promise<'done' | 'refused'> {
  const consumer = kafka.consumer({ groupId, retry: { retries: 1, restartOnFailure: async () => false } })
  const crashed = new Promise<'refused'>(resolve => {
    consumer.on(consumer.events.CRASH, () => resolve('refused'))
  })
  await consumer.connect()
  try {
    await consumer.subscribe({ topic, fromBeginning: true })
    const arrived = new Promise<'done'>((resolve, reject) => {
      consumer.run({ eachMessage: async () => resolve('done') }).catch(reject)
    })
    return await Promise.race([arrived, crashed])
  } catch {
    return 'refused'
  } finally {
    await consumer.disconnect()
  }
}

describeLanes(['kafka'], 'the broker of the compose file', () => {
  let broker: ComposeBroker

  beforeAll(async () => {
    broker = await startComposeBroker()
    // The second run must find nothing to do and take nothing away.
    await prepare()
    await prepare()
    // The first group of a fresh broker waits for its coordinator, which would look like a refusal.
    expect(await write(client(broker, 'admin'), 'mcp.control')).toBe('done')
    const readOnce = async (): Promise<void> => {
      expect(await read(client(broker, 'admin'), 'mcp.control', 'first')).toBe('done')
    }
    await vi.waitFor(readOnce, { timeout: 20_000 })
  }, 60_000)

  afterAll(async () => {
    await broker.stop()
  }, 30_000)

  async function prepare(): Promise<void> {
    await runProgram(process.execPath, [job('prepare-kafka.ts')], {
      MUNIMENT_BUS: `kafka://localhost:${broker.port}`,
      MUNIMENT_KAFKA_CA_FILE: broker.certificateFile,
      MUNIMENT_KAFKA_SASL_MECHANISM: 'scram-sha-512',
      MUNIMENT_KAFKA_SASL_USERNAME: 'admin',
      MUNIMENT_KAFKA_SASL_PASSWORD_FILE: join(broker.secretsFolder, 'kafka-admin'),
    })
  }

  test.each([
    ['interceptor', 'mcp.calls.raw', 'done'],
    ['interceptor', 'mcp.control', 'refused'],
    ['interceptor', 'mcp.events', 'refused'],
    ['masker', 'mcp.events', 'done'],
    ['masker', 'mcp.calls.raw', 'refused'],
    ['detector', 'mcp.control', 'done'],
    ['detector', 'mcp.alerts', 'done'],
    ['archiver', 'mcp.events', 'refused'],
    ['subscriber', 'mcp.events', 'refused'],
  ])('%s writing %s is %s', async (user, topic, outcome) => {
    expect(await write(client(broker, user), topic)).toBe(outcome)
  })

  test.each([
    ['interceptor', 'mcp.control', 'muniment.interceptor', 'done'],
    ['interceptor', 'mcp.calls.raw', 'muniment.interceptor', 'refused'],
    ['masker', 'mcp.calls.raw', 'muniment.masker', 'done'],
    ['archiver', 'mcp.calls.raw', 'muniment.archiver', 'refused'],
    ['detector', 'mcp.calls.raw', 'muniment.detector.content', 'refused'],
    ['archiver', 'mcp.events', 'muniment.archiver', 'done'],
    ['archiver', 'mcp.events', 'muniment.masker', 'refused'],
    ['subscriber', 'mcp.alerts', 'muniment.subscriber', 'done'],
    ['subscriber', 'mcp.events', 'muniment.read.1', 'done'],
    ['subscriber', 'mcp.calls.raw', 'muniment.subscriber', 'refused'],
  ])('%s reading %s in group %s is %s', async (...[user, topic, group, outcome]) => {
    expect(await read(client(broker, user), topic, group)).toBe(outcome)
  })

  test('users and access outlive a crash of the broker', async () => {
    await broker.kill9()
    await broker.restart()
    // For a moment after a crash the partitions have no leader.
    await vi.waitFor(
      async () => expect(await write(client(broker, 'interceptor'), 'mcp.calls.raw')).toBe('done'),
      { timeout: 30_000, interval: 500 },
    )
    expect(await write(client(broker, 'interceptor'), 'mcp.events')).toBe('refused')
  }, 60_000)
})

describeLanes(['s3'], 'the buckets of the compose file', () => {
  test('are made once, each of its kind, and refused where they exist as the other', async () => {
    await using server = await startS3()
    const prepare = async (locked: string, plain: string): Promise<string> =>
      await runProgram(
        process.execPath,
        [job('prepare-buckets.ts'), '--locked', locked, '--plain', plain],
        server.env,
      )
    await prepare('evidence', 'state')
    await prepare('evidence', 'state')
    await expect(prepare('state', 'other')).rejects.toThrow('without Object Lock')
    await expect(prepare('evidence', 'evidence')).rejects.toThrow('with versions')
  }, 60_000)
})
