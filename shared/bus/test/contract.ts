// The promises of the port, for every adapter.
import { Buffer } from 'node:buffer'
import { isAppError, maxRecordBytes, type TopicSpec } from '@muniment/schema'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type {
  Batch,
  Bus,
  BusRecord,
  ConsumeOptions,
  Consumer,
  OutgoingRecord,
  Position,
  ReadOptions,
  TopicPartition,
} from '../src/bus.ts'
import type { BusDeps } from '../src/config.ts'

/** One broker that several buses can be opened on. */
export interface BusUnderTest extends AsyncDisposable {
  /** Another connection, as another process would have it. */
  readonly open: (options: { readonly topicPrefix: string; readonly deps: BusDeps }) => Promise<Bus>
}

/** A topic for tests. */
export function spec(name: string, partitions: number): TopicSpec {
  return {
    name,
    partitions,
    key: 'test',
    summary: 'test',
    retentionMs: 3_600_000,
    schema: undefined,
    contentType: 'text/plain',
    writers: [],
    readers: [],
  }
}

const one = 'mcp.one'
const three = 'mcp.three'
const testTopics = [spec(one, 1), spec(three, 3)]

function text(value: string, more: Partial<OutgoingRecord> = {}): OutgoingRecord {
  return { key: null, value: Buffer.from(value), headers: {}, ...more }
}

function texts(count: number, more: Partial<OutgoingRecord> = {}): OutgoingRecord[] {
  return Array.from({ length: count }, (_, index) => text(String(index), more))
}

function textOf(record: BusRecord): string {
  return Buffer.from(record.value).toString()
}

async function readAll(bus: Bus, options: Omit<ReadOptions, 'signal' | 'untilEnd'>): Promise<BusRecord[]> {
  const found: BusRecord[] = []
  const { signal } = new AbortController()
  for await (const record of bus.read({ ...options, untilEnd: true, signal })) found.push(record)
  return found
}

/** A consumer that notes what it gets, and lets a test wait for a state of affairs. */
function watch(bus: Bus, options: Partial<ConsumeOptions> & Pick<ConsumeOptions, 'group' | 'topics'>) {
  const ended = new AbortController()
  const records: BusRecord[] = []
  const batches: Batch[] = []
  const assignments: (readonly TopicPartition[])[] = []
  const waiting: { readonly isMet: () => boolean; readonly resolve: () => void }[] = []
  const notice = (): void => {
    for (const each of waiting) if (each.isMet()) each.resolve()
  }
  const consumer: Consumer = bus.consume({
    ...options,
    signal: ended.signal,
    onAssign: async partitions => {
      assignments.push(partitions)
      notice()
      return (await options.onAssign?.(partitions)) ?? []
    },
    onBatch: async (batch, signal) => {
      batches.push(batch)
      records.push(...batch.records)
      await options.onBatch?.(batch, signal)
      notice()
    },
  })
  return {
    consumer,
    records,
    batches,
    assignments,
    /** Resolves when `isMet` holds after something happened; rejects with the consumer's failure. */
    until: (isMet: () => boolean): Promise<void> => {
      if (isMet()) return Promise.resolve()
      const met = new Promise<void>(resolve => {
        waiting.push({ isMet, resolve })
      })
      return Promise.race([met, consumer.done])
    },
    stop: async (): Promise<void> => {
      ended.abort()
      await consumer.done
    },
  }
}

/** Commits whatever comes. */
function committing(bus: Bus, options: Partial<ConsumeOptions> & Pick<ConsumeOptions, 'group' | 'topics'>) {
  const watching = watch(bus, {
    ...options,
    onBatch: async (batch, signal) => {
      await options.onBatch?.(batch, signal)
      const { topic, partition, nextOffset } = batch
      await watching.consumer.commit([{ topic, partition, offset: nextOffset }])
    },
  })
  return watching
}

function offsetsByPartition(records: readonly BusRecord[]): Map<number, number[]> {
  const found = new Map<number, number[]>()
  for (const { partition, offset } of records) found.set(partition, [...(found.get(partition) ?? []), offset])
  return found
}

/** Runs the suite against one adapter. */
export function describeBus(name: string, setUp: () => Promise<BusUnderTest>): void {
  describe(name, { timeout: 30_000 }, () => {
    let under: BusUnderTest
    let count = 0
    beforeAll(async () => {
      under = await setUp()
    }, 60_000)
    afterAll(async () => {
      await under[Symbol.asyncDispose]()
    }, 60_000)

    /** Topics of a test of its own. */
    async function fresh(): Promise<{ open: () => Promise<Bus>; bus: Bus }> {
      const topicPrefix = `t${count++}.`
      const open = (): Promise<Bus> => under.open({ topicPrefix, deps: { topics: testTopics } })
      const bus = await open()
      await bus.createTopics()
      return { open, bus }
    }

    test('records of a partition keep the order of publishing, in one call and over several', async () => {
      await using bus = (await fresh()).bus
      await bus.publish(one, texts(50))
      await Promise.all([bus.publish(one, [text('a'), text('b')]), bus.publish(one, [text('c')])])
      const found = await readAll(bus, { topic: one })
      const expected = [...Array.from({ length: 50 }, (_, index) => String(index)), 'a', 'b', 'c']
      expect(found.map(textOf)).toEqual(expected)
      expect(found.map(record => record.offset)).toEqual(expected.map((_, index) => index))
    })

    test('a record comes back as it was published', async () => {
      await using bus = (await fresh()).bus
      const headers = { empty: '', name: 'Zoë 日本 🎉', 'content-type': 'text/plain' }
      const value = Uint8Array.from({ length: 256 }, (_, index) => index)
      const before = Date.now()
      await bus.publish(three, [
        { key: 'ключ', value, headers, partition: 2 },
        { key: null, value: new Uint8Array(), headers: {}, partition: 1 },
        { key: '', value: Buffer.from('x'), headers: {}, partition: 1 },
      ])
      const found = await readAll(bus, { topic: three })
      const [first, second] = found.filter(record => record.partition === 1)
      const third = found.find(record => record.partition === 2)
      expect(third).toMatchObject({ topic: three, key: 'ключ', headers, offset: 0 })
      expect(Buffer.from(third?.value ?? []).equals(value)).toBe(true)
      expect(Math.abs((third?.timestampMs ?? 0) - before)).toBeLessThan(60_000)
      expect([first?.key, first?.value.length, second?.key]).toEqual([null, 0, ''])
    })

    test('records with one key lie in one partition, others are spread', async () => {
      await using bus = (await fresh()).bus
      await bus.publish(three, [...texts(20, { key: 'lane/1' }), ...texts(30)])
      const found = await readAll(bus, { topic: three })
      const partitions = new Set(found.filter(record => record.key === 'lane/1').map(each => each.partition))
      expect(partitions.size).toBe(1)
      expect(new Set(found.map(record => record.partition)).size).toBe(3)
    })

    test('values up to the limit of a record pass, larger ones are refused', async () => {
      await using bus = (await fresh()).bus
      const value = Buffer.alloc(maxRecordBytes, 7)
      await bus.publish(
        one,
        Array.from({ length: 12 }, () => ({ key: 'k', value, headers: { n: 'x' } })),
      )
      const found = await readAll(bus, { topic: one })
      expect(found.map(record => record.value.length)).toEqual(
        Array.from({ length: 12 }, () => maxRecordBytes),
      )
      const tooLarge = bus.publish(one, [
        text('x'),
        { key: 'k', value: Buffer.alloc(1_100_000), headers: {} },
      ])
      await expect(tooLarge).rejects.toMatchObject({ code: 'BUS_REJECTED', details: { topic: one } })
      expect(await readAll(bus, { topic: one })).toHaveLength(12)
    })

    test('an unknown topic and an unknown partition are refused with their names', async () => {
      await using bus = (await fresh()).bus
      const refused = { code: 'BUS_REJECTED', message: expect.stringContaining('mcp.nothing') }
      await expect(bus.publish('mcp.nothing', [text('x')])).rejects.toMatchObject(refused)
      const { consumer } = watch(bus, { group: 'g', topics: ['mcp.nothing'] })
      await expect(consumer.done).rejects.toMatchObject(refused)
      await expect(readAll(bus, { topic: 'mcp.nothing' })).rejects.toMatchObject(refused)
      await expect(bus.publish(one, [text('x', { partition: 1 })])).rejects.toSatisfy(error =>
        isAppError(error, 'BUS_REJECTED'),
      )
    })

    test('describe tells the range of every partition and the committed offset of a group', async () => {
      await using bus = (await fresh()).bus
      await bus.publish(three, texts(5, { partition: 1 }))
      const watching = committing(bus, { group: 'g', topics: [three] })
      await watching.until(() => watching.records.length === 5)
      await watching.stop()
      const range = { topic: three, firstOffset: 0 }
      expect(await bus.describe(three, 'g')).toEqual([
        { ...range, partition: 0, nextOffset: 0 },
        { ...range, partition: 1, nextOffset: 5, committedOffset: 5 },
        { ...range, partition: 2, nextOffset: 0 },
      ])
      expect(await bus.describe(three)).toHaveLength(3)
      expect(await bus.describe('mcp.nothing')).toEqual([])
    })

    test('a group goes on at its committed offset; without one it starts at the oldest record', async () => {
      const { open, bus } = await fresh()
      await bus.publish(one, texts(10))
      const first = watch(bus, { group: 'g', topics: [one] })
      await first.until(() => first.records.length === 10)
      await first.consumer.commit([{ topic: one, partition: 0, offset: 4 }])
      await first.stop()
      await bus[Symbol.asyncDispose]()
      await using again = await open()
      const second = watch(again, { group: 'g', topics: [one] })
      const other = watch(again, { group: 'h', topics: [one] })
      await second.until(() => second.records.length === 6)
      await other.until(() => other.records.length === 10)
      expect(second.records.map(record => record.offset)).toEqual([4, 5, 6, 7, 8, 9])
      await second.stop()
      await other.stop()
    })

    test('onAssign decides where to start, before the first batch', async () => {
      await using bus = (await fresh()).bus
      await bus.publish(three, [...texts(10, { partition: 0 }), ...texts(10, { partition: 1 })])
      const watching = watch(bus, {
        group: 'g',
        topics: [three],
        onAssign: async () => [{ topic: three, partition: 1, offset: 7 }],
      })
      await watching.until(() => watching.records.length >= 13)
      await watching.stop()
      const offsets = offsetsByPartition(watching.records)
      expect(offsets.get(0)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      expect(offsets.get(1)).toEqual([7, 8, 9])
      expect(watching.assignments.flat()).toHaveLength(3)
    })

    test('a place that is not kept is replaced by the oldest record', async () => {
      await using bus = (await fresh()).bus
      await bus.publish(one, texts(3))
      const onAssign = async (): Promise<Position[]> => [{ topic: one, partition: 0, offset: 99 }]
      const watching = watch(bus, { group: 'g', topics: [one], onAssign })
      await watching.until(() => watching.records.length === 3)
      await watching.stop()
      expect(watching.records.map(record => record.offset)).toEqual([0, 1, 2])
    })

    test('seek is effective with the next batch', async () => {
      await using bus = (await fresh()).bus
      await bus.publish(one, texts(10))
      let hasSought = false
      const watching = watch(bus, {
        group: 'g',
        topics: [one],
        onBatch: async batch => {
          if (hasSought || batch.nextOffset < 10) return
          hasSought = true
          watching.consumer.seek({ topic: one, partition: 0, offset: 8 })
        },
      })
      await watching.until(() => watching.records.length === 12)
      watching.consumer.seek({ topic: one, partition: 0, offset: 2 })
      await watching.until(() => watching.records.length === 20)
      await watching.stop()
      expect(watching.records.slice(10).map(record => record.offset)).toEqual([8, 9, 2, 3, 4, 5, 6, 7, 8, 9])
    })

    test('a paused partition rests until it is resumed; others go on', async () => {
      await using bus = (await fresh()).bus
      const rested = { topic: three, partition: 0 }
      const watching = watch(bus, {
        group: 'g',
        topics: [three],
        onAssign: async () => {
          watching.consumer.pause([rested])
          return []
        },
      })
      await watching.until(() => watching.assignments.length === 1)
      await bus.publish(three, [text('rests', { partition: 0 }), text('goes', { partition: 1 })])
      await watching.until(() => watching.records.length === 1)
      expect(watching.records.map(textOf)).toEqual(['goes'])
      await bus.publish(three, [text('goes too', { partition: 1 })])
      await watching.until(() => watching.records.length === 2)
      watching.consumer.resume([rested])
      await watching.until(() => watching.records.length === 3)
      await watching.stop()
      expect(watching.records.map(textOf)).toEqual(['goes', 'goes too', 'rests'])
    })

    test('batches keep to the limits, and calls for one partition never overlap', async () => {
      await using bus = (await fresh()).bus
      await bus.publish(
        three,
        [0, 1].flatMap(partition => texts(100, { partition })),
      )
      const inHand = new Set<number>()
      let overlaps = 0
      const watching = watch(bus, {
        group: 'g',
        topics: [three],
        maxBatchRecords: 7,
        onBatch: async ({ partition }) => {
          if (inHand.has(partition)) overlaps++
          inHand.add(partition)
          await new Promise(resolve => {
            setImmediate(resolve)
          })
          inHand.delete(partition)
        },
      })
      await watching.until(() => watching.records.length === 200)
      await watching.stop()
      expect(Math.max(...watching.batches.map(batch => batch.records.length))).toBeLessThanOrEqual(7)
      expect(overlaps).toBe(0)
      const positions = new Map<number, number>()
      for (const batch of watching.batches) {
        expect(batch.records[0]?.offset).toBe(positions.get(batch.partition) ?? 0)
        expect(batch.highWatermark).toBeGreaterThanOrEqual(batch.nextOffset)
        positions.set(batch.partition, batch.nextOffset)
      }
    })

    test('a batch has at most the bytes asked for, but at least one record', async () => {
      await using bus = (await fresh()).bus
      const value = Buffer.alloc(40_000)
      await bus.publish(
        one,
        Array.from({ length: 6 }, () => ({ key: null, value, headers: {} })),
      )
      const watching = watch(bus, { group: 'g', topics: [one], maxBatchBytes: 100_000 })
      const tight = watch(bus, { group: 'h', topics: [one], maxBatchBytes: 10 })
      await watching.until(() => watching.records.length === 6)
      await tight.until(() => tight.records.length === 6)
      await watching.stop()
      await tight.stop()
      expect(Math.max(...watching.batches.map(batch => batch.records.length))).toBe(2)
      expect(Math.max(...tight.batches.map(batch => batch.records.length))).toBe(1)
    })

    test('two members share the partitions; when one leaves, the other goes on where it committed', async () => {
      const { open, bus } = await fresh()
      await using second = await open()
      const left = committing(bus, { group: 'g', topics: [three] })
      await left.until(() => left.assignments.flat().length === 3)
      const right = committing(second, { group: 'g', topics: [three] })
      await right.until(() => right.assignments.length > 0)
      const parts = [0, 1, 2].flatMap(partition => texts(10, { partition }))
      await bus.publish(three, parts)
      const both = (): BusRecord[] => [...left.records, ...right.records]
      const isComplete = (size: number) => (): boolean =>
        new Set(both().map(record => `${record.partition}/${record.offset}`)).size === size
      const all = (size: number): Promise<void> =>
        Promise.race([left.until(isComplete(size)), right.until(isComplete(size))])
      await all(30)
      expect(left.records.length).toBeGreaterThan(0)
      expect(right.records.length).toBeGreaterThan(0)
      await left.stop()
      const taken = right.records.length
      await second.publish(three, parts)
      await right.until(isComplete(60))
      await right.stop()
      await bus[Symbol.asyncDispose]()
      expect(right.records.length - taken).toBeGreaterThanOrEqual(30)
      for (const offsets of offsetsByPartition(right.records).values()) {
        expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
      }
    })

    test('partitions are given back before others get them, with the work in hand finished', async () => {
      const { open, bus } = await fresh()
      await using second = await open()
      const seen: string[] = []
      const hold = Promise.withResolvers<void>()
      const working = Promise.withResolvers<void>()
      await bus.publish(one, texts(1))
      const first = watch(bus, {
        group: 'g',
        topics: [one],
        onBatch: async batch => {
          working.resolve()
          await hold.promise
          await first.consumer.commit([{ topic: one, partition: 0, offset: batch.nextOffset }])
          seen.push('worked')
        },
        onRevoke: async partitions => {
          seen.push(`gave back ${partitions.length}`)
        },
      })
      await working.promise
      const stopped = first.stop()
      const next = watch(second, { group: 'g', topics: [one] })
      await bus.publish(one, texts(1))
      hold.resolve()
      await stopped
      await next.until(() => next.records.length > 0)
      seen.push('taken over')
      await next.stop()
      await bus[Symbol.asyncDispose]()
      expect(seen).toEqual(['worked', 'gave back 1', 'taken over'])
      expect(new Set(next.records.map(record => record.offset))).toEqual(new Set([1]))
    })

    test('a handler that rejects stops its consumer, whose partitions go to others uncommitted', async () => {
      const { open, bus } = await fresh()
      await using second = await open()
      await bus.publish(one, texts(3))
      const broken = watch(bus, {
        group: 'g',
        topics: [one],
        onBatch: async () => {
          throw new Error('the sink broke')
        },
      })
      await expect(broken.consumer.done).rejects.toThrow('the sink broke')
      const next = watch(second, { group: 'g', topics: [one] })
      await next.until(() => next.records.length === 3)
      await next.stop()
      await bus[Symbol.asyncDispose]()
    })

    test('read follows until its signal aborts, then ends without an error', async () => {
      await using bus = (await fresh()).bus
      await bus.publish(one, texts(2))
      const ended = new AbortController()
      const found: string[] = []
      for await (const record of bus.read({ topic: one, signal: ended.signal })) {
        found.push(textOf(record))
        if (found.length === 2) await bus.publish(one, [text('new')])
        if (found.length === 3) ended.abort()
      }
      expect(found).toEqual(['0', '1', 'new'])
    })

    test('a read that nobody finishes does not outlive its bus', async () => {
      const { bus } = await fresh()
      await bus.publish(one, texts(3))
      const { signal } = new AbortController()
      const reader = bus.read({ topic: one, signal })[Symbol.asyncIterator]()
      expect((await reader.next()).done).toBe(false)
      await bus[Symbol.asyncDispose]()
      expect((await reader.next()).done).toBe(true)
    })

    test('read starts where it is told: at positions, or with what comes', async () => {
      await using bus = (await fresh()).bus
      await bus.publish(three, [...texts(4, { partition: 0 }), ...texts(4, { partition: 2 })])
      const found = await readAll(bus, { topic: three, from: [{ topic: three, partition: 2, offset: 3 }] })
      expect(found.map(record => `${record.partition}/${record.offset}`).toSorted()).toEqual([
        '0/0',
        '0/1',
        '0/2',
        '0/3',
        '2/3',
      ])
      expect(await readAll(bus, { topic: three, from: 'end' })).toEqual([])
      const ended = new AbortController()
      const next = bus.read({ topic: three, from: 'end', signal: ended.signal })[Symbol.asyncIterator]()
      const coming = next.next()
      // Where "now" is settled by asking a broker, a record published meanwhile counts as before.
      const beat = setInterval(() => void bus.publish(three, [text('came', { partition: 1 })]), 20)
      const { value } = await coming
      clearInterval(beat)
      expect(value === undefined ? undefined : textOf(value)).toBe('came')
      ended.abort()
      expect((await next.next()).done).toBe(true)
    })

    test('installations with different prefixes do not see each other', async () => {
      await using left = (await fresh()).bus
      await using right = (await fresh()).bus
      await left.publish(one, [text('left')])
      const watching = committing(left, { group: 'g', topics: [one] })
      await watching.until(() => watching.records.length === 1)
      await watching.stop()
      expect(await readAll(right, { topic: one })).toEqual([])
      expect((await right.describe(one, 'g'))[0]?.committedOffset).toBeUndefined()
    })

    test('createTopics leaves topics that exist as they are', async () => {
      const { bus, open } = await fresh()
      await bus.publish(one, texts(1))
      await bus[Symbol.asyncDispose]()
      await using again = await open()
      await again.createTopics()
      expect((await readAll(again, { topic: one })).map(record => record.offset)).toEqual([0])
    })

    test('closing the bus ends its consumers and refuses further records', async () => {
      const { bus } = await fresh()
      const watching = watch(bus, { group: 'g', topics: [one] })
      await watching.until(() => watching.assignments.length === 1)
      await bus[Symbol.asyncDispose]()
      await watching.consumer.done
      await expect(bus.publish(one, [text('late')])).rejects.toMatchObject({ code: 'BUS_REJECTED' })
      await bus[Symbol.asyncDispose]()
    })
  })
}
