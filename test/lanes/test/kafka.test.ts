import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import {
  Kafka,
  logLevel,
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ResourcePatternTypes,
} from 'kafkajs'
import { expect, test } from 'vitest'
import { describeLanes } from '../lanes.ts'
import { startKafka, type KafkaServer } from '../kafka.ts'

function client(server: KafkaServer, user?: string): Kafka {
  const { security } = server
  return new Kafka({
    brokers: [...server.brokers],
    logLevel: logLevel.NOTHING,
    retry: { retries: 20, maxRetryTime: 300 },
    ...(security === undefined || user === undefined
      ? {}
      : {
          ssl: { ca: [readFileSync(security.authorityFile, 'utf8')] },
          sasl: { mechanism: security.mechanism, username: user, password: security.passwordOf(user) },
        }),
  })
}

async function createTopic(kafka: Kafka, topic: string): Promise<void> {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] })
  await admin.disconnect()
}

async function highWatermark(kafka: Kafka, topic: string): Promise<string | undefined> {
  const admin = kafka.admin()
  await admin.connect()
  const [partition] = await admin.fetchTopicOffsets(topic)
  await admin.disconnect()
  return partition?.high
}

async function produce(kafka: Kafka, topic: string): Promise<void> {
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic, messages: [{ value: 'one' }] })
  await producer.disconnect()
}

describeLanes(['kafka'], 'the Kafka lane', () => {
  test('a broker keeps what it acknowledged over SIGKILL, a freeze and a clean restart', async () => {
    await using server = await startKafka()
    const kafka = client(server)
    await createTopic(kafka, 'kept')
    await produce(kafka, 'kept')
    await server.kill9()
    await server.restart()
    server.pause()
    server.resume()
    await server.restart()
    expect(await highWatermark(kafka, 'kept')).toBe('1')
  }, 60_000)

  test('with users, only what an access rule allows is possible, over TLS', async () => {
    await using server = await startKafka({ users: ['writer', 'stranger'] })
    const admin = client(server, 'admin').admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: 'raw', numPartitions: 1 }] })
    await admin.createAcls({
      acl: [
        {
          resourceType: AclResourceTypes.TOPIC,
          resourceName: 'raw',
          resourcePatternType: ResourcePatternTypes.LITERAL,
          principal: 'User:writer',
          host: '*',
          operation: AclOperationTypes.WRITE,
          permissionType: AclPermissionTypes.ALLOW,
        },
      ],
    })
    await admin.disconnect()
    await produce(client(server, 'writer'), 'raw')
    await expect(produce(client(server, 'stranger'), 'raw')).rejects.toThrow(/[Aa]uthoriz/u)
  }, 60_000)

  test('the broker dies with the process that started it, even of SIGKILL', async () => {
    const fixture = new URL('../kafka.ts', import.meta.url).href
    const program = `import { startKafka } from ${JSON.stringify(fixture)}
      const server = await startKafka(); console.log(server.pid(), server.dataFolder); setInterval(() => 0, 1000)`
    const runner = spawn(process.execPath, ['--input-type=module', '-e', program])
    const [line] = await once(runner.stdout, 'data')
    const [pid = '', dataFolder = ''] = String(line).trim().split(' ')
    expect(existsSync(`/proc/${pid}`)).toBe(true)
    runner.kill('SIGKILL')
    await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 5000 }).toBe(false)
    rmSync(dirname(dataFolder), { recursive: true, force: true, maxRetries: 10 })
  }, 60_000)
})
