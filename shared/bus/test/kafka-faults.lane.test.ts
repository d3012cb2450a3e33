import { Buffer } from 'node:buffer'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
// @boundaries-ignore the lanes are tools for the tests of all packages
import { startKafka } from '../../../test/lanes/kafka.ts'
// @boundaries-ignore the lanes are tools for the tests of all packages
import { describeLanes } from '../../../test/lanes/lanes.ts'
import { openKafkaBus } from '../src/kafka.ts'
import { startCuttingProxy } from './cutting-proxy.ts'
import { spec } from './contract.ts'
import type { Bus, OutgoingRecord } from '../src/bus.ts'
import type { BusDeps, KafkaConfig } from '../src/config.ts'

const topic = 'mcp.faults'
const deps: BusDeps = { topics: [spec(topic, 3)] }

function open(brokers: readonly string[], config: Partial<KafkaConfig> = {}): Promise<Bus> {
  return openKafkaBus({ kind: 'kafka', brokers, clientId: 'test', publishTimeoutMs: 30_000, ...config }, deps)
}

function numbered(from: number, count: number): OutgoingRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const number = from + index
    return { key: null, value: Buffer.from(String(number)), headers: {}, partition: number % 3 }
  })
}

/** Publishes until it is told to stop; each number goes out once more only where its call was rejected. */
function publishSteadily(bus: Bus) {
  let next = 0
  let isOver = false
  async function run(): Promise<number> {
    while (!isOver) {
      await bus.publish(topic, numbered(next, 30))
      next += 30
      await sleep(2)
    }
    return next
  }
  const running = run()
  return {
    count: () => next,
    stop: async (): Promise<number> => {
      isOver = true
      return await running
    },
  }
}

async function readNumbers(bus: Bus): Promise<Map<number, number[]>> {
  const found = new Map<number, number[]>()
  const { signal } = new AbortController()
  for await (const { partition, value } of bus.read({ topic, untilEnd: true, signal })) {
    const numbers = found.get(partition) ?? []
    numbers.push(Number(Buffer.from(value).toString()))
    found.set(partition, numbers)
  }
  return found
}

/** What is missing, and what is there more than once, of the numbers below `count`; both in order. */
function compare(found: ReadonlyMap<number, readonly number[]>, count: number) {
  const all = [...found.values()].flat()
  const seen = new Set(all)
  const missing = Array.from({ length: count }, (_, number) => number).filter(number => !seen.has(number))
  return { missing, copies: all.length - seen.size }
}

/** Without the repetitions, a partition has its numbers in the order of publishing. */
function expectOrder(found: ReadonlyMap<number, readonly number[]>): void {
  for (const numbers of found.values()) {
    const firsts = [...new Set(numbers)]
    expect(firsts).toEqual(firsts.toSorted((left, right) => left - right))
  }
}

describeLanes(['kafka'], 'the bus on a Kafka that fails', () => {
  describe('faults', { timeout: 90_000 }, () => {
    test('answers that are lost neither lose nor repeat a record', async () => {
      await using proxy = await startCuttingProxy()
      await using kafka = await startKafka({ advertisedPort: proxy.port })
      proxy.setTarget(kafka.port)
      await using bus = await open([`127.0.0.1:${proxy.port}`])
      await bus.createTopics()
      proxy.cut(5)
      const publishing = publishSteadily(bus)
      while (proxy.cutsDone() < 5) await sleep(20)
      const count = await publishing.stop()
      const found = await readNumbers(bus)
      expect(compare(found, count)).toEqual({ missing: [], copies: 0 })
      expectOrder(found)
    })

    test('a broker that is killed and comes back loses nothing; its consumers go on by themselves', async () => {
      await using kafka = await startKafka()
      await using bus = await open(kafka.brokers)
      await bus.createTopics()
      const ended = new AbortController()
      const seen = new Set<number>()
      const consumer = bus.consume({
        group: 'g',
        topics: [topic],
        signal: ended.signal,
        onBatch: async ({ records, partition, nextOffset }) => {
          for (const { value } of records) seen.add(Number(Buffer.from(value).toString()))
          await consumer.commit([{ topic, partition, offset: nextOffset }])
        },
      })
      const publishing = publishSteadily(bus)
      while (seen.size < 100) await sleep(20)
      await kafka.kill9()
      await sleep(1500)
      await kafka.restart()
      const before = publishing.count()
      while (publishing.count() < before + 300) await sleep(20)
      const count = await publishing.stop()
      const found = await readNumbers(bus)
      expect(compare(found, count).missing).toEqual([])
      expectOrder(found)
      while (seen.size < count) await sleep(20)
      ended.abort()
      await consumer.done
    })

    test('a broker that freezes for seconds loses and repeats nothing', async () => {
      await using kafka = await startKafka()
      await using bus = await open(kafka.brokers)
      await bus.createTopics()
      const publishing = publishSteadily(bus)
      while (publishing.count() < 300) await sleep(20)
      kafka.pause()
      await sleep(3000)
      kafka.resume()
      const before = publishing.count()
      while (publishing.count() < before + 300) await sleep(20)
      const count = await publishing.stop()
      const found = await readNumbers(bus)
      expect(compare(found, count)).toEqual({ missing: [], copies: 0 })
      expectOrder(found)
    })

    test('brokers that are away are told after the time allowed, and a consumer waits for them', async () => {
      await using kafka = await startKafka()
      await using first = await open(kafka.brokers)
      await first.createTopics()
      await kafka.kill9()
      await using bus = await open(kafka.brokers, { publishTimeoutMs: 1500 })
      const begin = performance.now()
      const unreachable = { code: 'DEPENDENCY_UNREACHABLE' }
      await expect(bus.publish(topic, numbered(0, 3))).rejects.toMatchObject(unreachable)
      expect(performance.now() - begin).toBeLessThan(4000)
      await expect(bus.describe(topic)).rejects.toMatchObject(unreachable)
      const ended = new AbortController()
      const arrived = Promise.withResolvers<void>()
      const onBatch = async (): Promise<void> => arrived.resolve()
      const consumer = bus.consume({ group: 'g', topics: [topic], signal: ended.signal, onBatch })
      await kafka.restart()
      await first.publish(topic, numbered(0, 3))
      await arrived.promise
      ended.abort()
      await consumer.done
    })

    test('credentials decide what may be done, and a refusal says so', async () => {
      await using kafka = await startKafka({ users: ['writer'] })
      const { readFile } = await import('node:fs/promises')
      const { security } = kafka
      if (security === undefined) throw new Error('the lane started without users')
      const tls = { caPem: await readFile(security.authorityFile, 'utf8'), serverName: 'localhost' }
      const as = (username: string, password = security.passwordOf(username)): Promise<Bus> =>
        open(kafka.brokers, {
          tls,
          sasl: { mechanism: security.mechanism, username, password },
          publishTimeoutMs: 8000,
        })
      await using admin = await as('admin')
      await admin.createTopics()
      await admin.publish(topic, numbered(0, 3))
      expect((await readNumbers(admin)).size).toBe(3)
      await using writer = await as('writer')
      await expect(writer.publish(topic, numbered(0, 3))).rejects.toMatchObject({ code: 'BUS_REJECTED' })
      await using stranger = await as('writer', 'wrong')
      await expect(stranger.publish(topic, numbered(0, 3))).rejects.toMatchObject({ code: 'AUTH_FAILED' })
      const { signal } = new AbortController()
      const consumer = stranger.consume({ group: 'g', topics: [topic], signal, onBatch: async () => {} })
      await expect(consumer.done).rejects.toMatchObject({ code: 'AUTH_FAILED' })
      await using untrusting = await open(kafka.brokers, { tls: true, publishTimeoutMs: 2000 })
      await expect(untrusting.publish(topic, numbered(0, 3))).rejects.toThrow(/certificate/u)
    })
  })
})
