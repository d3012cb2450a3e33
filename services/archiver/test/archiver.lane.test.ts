import { randomBytes } from 'node:crypto'
import { createCutWriter, type ArchiveStore } from '@muniment/archive'
import { openBus } from '@muniment/bus'
import { createMetrics } from '@muniment/runtime'
import { AppError, topic } from '@muniment/schema'
import { expect, test } from 'vitest'
import { createArchiver, type ArchiverOptions } from '../src/index.ts'
import { createWorld, eventRecord, readChain, runUntil, type World } from './world.ts'

function optionsOf(world: World, change: Partial<ArchiverOptions> = {}): ArchiverOptions {
  const { bus, store, log } = world
  return { bus, store, keys: world.keys.segmentKeys, log, cut: { maxAgeMs: 20 }, ...change }
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

async function publish(world: World, seqs: readonly number[], lane = 'proxy/1'): Promise<void> {
  await world.bus.publish(
    topic.events,
    seqs.map(seq => eventRecord({ seq, lane })),
  )
}

/** Archives everything that is on partition 0 of the events and stops. */
async function archiveAll(world: World, change: Partial<ArchiverOptions> = {}): Promise<void> {
  const [end] = await world.bus.describe(topic.events)
  await runUntil(createArchiver(optionsOf(world, change)), async () => {
    const newest = await world.archive.newest(topic.events, 0)
    return newest?.manifest.next_offset === end?.nextOffset
  })
}

function expected(to: number, lane = 'proxy/1'): readonly string[] {
  return range(0, to).map(seq => `${lane}#${seq}`)
}

/** Pauses that do not hold a test up. */
function afterShort(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, Math.min(delayMs, 10))
  return () => clearTimeout(timer)
}

/** A store that calls `onPut` before every put. */
function watched(store: ArchiveStore, onPut: (key: string) => Promise<void> | void): ArchiveStore {
  return {
    ...store,
    put: async object => {
      await onPut(object.key)
      return store.put(object)
    },
  }
}

test('every event is archived exactly once, in the order of its lane, byte for byte', async () => {
  await using world = await createWorld()
  await publish(world, range(0, 500))
  await archiveAll(world)
  const { lanes, rows } = await readChain(world.archive, topic.events)
  expect(lanes).toEqual(expected(500))
  const values: Buffer[] = []
  const { signal } = new AbortController()
  for await (const record of world.bus.read({ topic: topic.events, untilEnd: true, signal }))
    values.push(Buffer.from(record.value))
  expect(rows).toEqual(values)
})

test('alerts and control decisions are archived too', async () => {
  await using world = await createWorld()
  const alert = {
    metadata: { uid: 'a1', tenant_uid: 'acme' },
    activity_id: 1,
    count: 1,
    time: 1_790_000_000_000,
  }
  await world.bus.publish(topic.alerts, [
    { key: 'acme', value: Buffer.from(JSON.stringify(alert)), headers: {}, partition: 0 },
  ])
  const decision = { scope: 'tool', value: 'rm', action: 'block', issued: '2026-11-21T00:00:00Z', version: 1 }
  await world.bus.publish(topic.control, [
    { key: 'tool/rm', value: Buffer.from(JSON.stringify(decision)), headers: {} },
  ])
  await runUntil(createArchiver(optionsOf(world)), async () => {
    const newest = await Promise.all([topic.alerts, topic.control].map(name => world.archive.newest(name, 0)))
    return newest.every(found => found !== undefined)
  })
  expect((await readChain(world.archive, topic.alerts)).manifests[0]?.manifest.segments[0]?.tenant).toBe(
    'acme',
  )
  expect((await readChain(world.archive, topic.control)).rows.length).toBe(1)
})

test.each([
  ['count', { maxEvents: 100, maxBytes: 1e9, maxAgeMs: 60_000 }],
  ['bytes', { maxEvents: 1e6, maxBytes: 30_000, maxAgeMs: 60_000 }],
  ['age', { maxEvents: 1e6, maxBytes: 1e9, maxAgeMs: 10 }],
])('a cut is made by %s', async (_, cut) => {
  await using world = await createWorld()
  const task = createArchiver(optionsOf(world, { cut }))
  await publish(world, range(0, 100))
  await runUntil(task, async () => (await world.archive.newest(topic.events, 0)) !== undefined)
  const { manifests, lanes } = await readChain(world.archive, topic.events)
  expect(manifests.length).toBeGreaterThan(0)
  expect(lanes).toEqual(expected(100))
})

test('a restart goes on from the newest manifest, also where no offset was ever committed', async () => {
  await using world = await createWorld()
  await publish(world, range(0, 50))
  await archiveAll(world)
  await publish(world, range(50, 80))
  // Another group's bus has no committed offsets at all.
  const other = await openBus({ kind: 'memory' })
  await other.publish(
    topic.events,
    range(0, 80).map(seq => eventRecord({ seq })),
  )
  await archiveAll({ ...world, bus: other })
  expect((await readChain(world.archive, topic.events)).lanes).toEqual(expected(80))
})

test('the bus offset is committed after the manifest, never before', async () => {
  await using world = await createWorld()
  let committedAtPut: number | undefined = -1
  const store = watched(world.store, async key => {
    if (!key.startsWith('manifest/')) return
    committedAtPut = (await world.bus.describe(topic.events, 'muniment.archiver'))[0]?.committedOffset
  })
  await publish(world, range(0, 10))
  await archiveAll(world, { store })
  expect(committedAtPut).toBeUndefined()
  expect((await world.bus.describe(topic.events, 'muniment.archiver'))[0]?.committedOffset).toBe(10)
})

test('what was archived is counted', async () => {
  await using world = await createWorld()
  const metrics = createMetrics()
  await publish(world, [...range(0, 10), ...range(0, 4)])
  await archiveAll(world, { metrics })
  const text = await metrics.render()
  expect(text).toContain('muniment_archiver_records_total{topic="mcp.events"} 10')
  expect(text).toContain('muniment_archiver_duplicates_total{topic="mcp.events"} 4')
})

test('duplicates on the bus are dropped, also across cuts and restarts', async () => {
  await using world = await createWorld()
  await publish(world, [...range(0, 20), ...range(5, 20), ...range(20, 25)])
  await archiveAll(world, { cut: { maxEvents: 7, maxAgeMs: 20 } })
  await publish(world, [...range(0, 25), ...range(25, 30)])
  await archiveAll(world)
  const { manifests, lanes } = await readChain(world.archive, topic.events)
  expect(lanes).toEqual(expected(30))
  expect(manifests.reduce((sum, { manifest }) => sum + manifest.counts.duplicates, 0)).toBe(40)
})

test('a record that is no event does not block its partition, and is kept to the byte', async () => {
  await using world = await createWorld()
  const poison = [Buffer.from('{"a":'), Buffer.from([0xff, 0xfe]), Buffer.alloc(0)]
  await publish(world, [0])
  await world.bus.publish(
    topic.events,
    poison.map(value => ({ key: 'x', value, headers: {}, partition: 0 })),
  )
  await publish(world, [1])
  await archiveAll(world)
  const { rows } = await readChain(world.archive, topic.events)
  expect(rows.length).toBe(5)
  expect(rows.filter(row => poison.some(each => each.equals(row))).length).toBe(3)
})

test('a crash between data and manifest loses and doubles nothing', async () => {
  await using world = await createWorld()
  await publish(world, range(0, 40))
  const crash = new AbortController()
  const store = watched(world.store, key => {
    if (!key.startsWith('manifest/')) return
    crash.abort()
    throw new TypeError('crashed')
  })
  await expect(createArchiver(optionsOf(world, { store })).run(crash.signal)).resolves.toBeUndefined()
  expect(await world.archive.newest(topic.events, 0)).toBeUndefined()
  await archiveAll(world)
  expect((await readChain(world.archive, topic.events)).lanes).toEqual(expected(40))
})

test('when another archiver was first at a position, its cut stands and this one goes on behind it', async () => {
  await using world = await createWorld()
  await publish(world, range(0, 40))
  const rival = createCutWriter({
    store: world.store,
    keys: world.keys.segmentKeys,
    now: Date.now,
    randomBytes,
  })
  let isFirst = true
  const store = watched(world.store, async key => {
    if (!key.startsWith('manifest/') || !isFirst) return
    isFirst = false
    const records = range(0, 13).map(offset => ({
      offset,
      appendedMs: 1,
      value: eventRecord({ seq: offset }).value,
    }))
    await rival.write({ topic: topic.events, partition: 0, records, nextOffset: 13, previous: undefined })
  })
  await archiveAll(world, { store, cut: { maxEvents: 9, maxAgeMs: 20 } })
  const { manifests, lanes } = await readChain(world.archive, topic.events)
  expect(manifests[0]?.manifest.next_offset).toBe(13)
  expect(lanes).toEqual(expected(40))
})

test('what was buffered behind a lost cut is read again from where the winner ended', async () => {
  await using world = await createWorld()
  const rival = createCutWriter({
    store: world.store,
    keys: world.keys.segmentKeys,
    now: Date.now,
    randomBytes,
  })
  let isFirst = true
  const store = watched(world.store, async key => {
    if (!key.startsWith('manifest/') || !isFirst) return
    isFirst = false
    await publish(world, [4, 5])
    const records = range(0, 2).map(seq => ({
      offset: seq,
      appendedMs: 1,
      value: eventRecord({ seq }).value,
    }))
    await rival.write({ topic: topic.events, partition: 0, records, nextOffset: 2, previous: undefined })
  })
  await publish(world, range(0, 4))
  const archiver = createArchiver(optionsOf(world, { store }))
  await runUntil(archiver, async () => {
    const newest = await world.archive.newest(topic.events, 0)
    return newest?.manifest.next_offset === 6
  })
  const { manifests, lanes } = await readChain(world.archive, topic.events)
  expect(lanes).toEqual(expected(6))
  expect(manifests.flatMap(({ manifest }) => manifest.holes)).toEqual([])
})

test('after a cut that cannot be written, nothing behind it is written either', async () => {
  await using world = await createWorld()
  let isFirst = true
  const store = watched(world.store, async key => {
    if (!key.startsWith('manifest/') || !isFirst) return
    isFirst = false
    await publish(world, [2, 3])
    throw new TypeError('a bug')
  })
  await publish(world, [0, 1])
  const { signal } = new AbortController()
  await expect(createArchiver(optionsOf(world, { store })).run(signal)).rejects.toThrow('a bug')
  expect(await world.archive.newest(topic.events, 0)).toBeUndefined()
  await archiveAll(world)
  const [first] = (await readChain(world.archive, topic.events)).manifests
  expect(first?.manifest.holes).toEqual([])
})

test('two archivers that both believe to own a partition converge on one chain', async () => {
  await using world = await createWorld()
  const records = range(0, 300).map(seq => eventRecord({ seq }))
  const twin = await openBus({ kind: 'memory' })
  await Promise.all([world.bus.publish(topic.events, records), twin.publish(topic.events, records)])
  await Promise.all([
    archiveAll(world, { cut: { maxEvents: 17, maxAgeMs: 5 } }),
    archiveAll({ ...world, bus: twin }, { cut: { maxEvents: 23, maxAgeMs: 5 } }),
  ])
  expect((await readChain(world.archive, topic.events)).lanes).toEqual(expected(300))
})

test('while the store refuses, records wait on the bus, memory stays bounded, and nothing is lost', async () => {
  await using world = await createWorld()
  let refusals = 0
  const store = watched(world.store, () => {
    refusals += 1
    if (refusals < 6) throw new AppError('DEPENDENCY_UNREACHABLE', 'slow down')
  })
  await publish(world, range(0, 200))
  await archiveAll(world, {
    store,
    after: afterShort,
    cut: { maxEvents: 10, maxAgeMs: 20 },
    maxHeldBytes: 20_000,
  })
  expect((await readChain(world.archive, topic.events)).lanes).toEqual(expected(200))
})

test('partitions go on independently of one that fails', async () => {
  await using world = await createWorld()
  const store = watched(world.store, key => {
    if (key.includes(`${topic.events}-1-`)) throw new AppError('STORE_REFUSED', 'not this one')
  })
  const parts = [0, 1, 2, 3]
  await world.bus.publish(
    topic.events,
    parts.map(partition => eventRecord({ seq: 0, lane: `p${partition}/1`, partition })),
  )
  await runUntil(createArchiver(optionsOf(world, { store, drainTimeoutMs: 50 })), async () => {
    const newest = await Promise.all(parts.map(partition => world.archive.newest(topic.events, partition)))
    return newest.filter(found => found !== undefined).length === 3
  })
  expect(await world.archive.newest(topic.events, 1)).toBeUndefined()
})

test('stopping archives what is buffered', async () => {
  await using world = await createWorld()
  const stop = new AbortController()
  const running = createArchiver(optionsOf(world, { cut: { maxAgeMs: 60_000 } })).run(stop.signal)
  await publish(world, range(0, 5))
  await new Promise(resolve => setImmediate(resolve))
  stop.abort()
  await running
  const { lanes } = await readChain(world.archive, topic.events)
  expect(expected(5).slice(0, lanes.length)).toEqual(lanes)
  await archiveAll(world)
  expect((await readChain(world.archive, topic.events)).lanes).toEqual(expected(5))
})

test('a bus that ends before the archive does is refused, not taken for old records', async () => {
  await using world = await createWorld()
  await publish(world, range(0, 30))
  await archiveAll(world)
  const bus = await openBus({ kind: 'memory' })
  const { signal } = new AbortController()
  await expect(createArchiver(optionsOf({ ...world, bus })).run(signal)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  })
})
