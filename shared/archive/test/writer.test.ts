import { randomBytes } from 'node:crypto'
import { topic } from '@muniment/schema'
import { describe, expect, test } from 'vitest'
import { openArchive } from '../src/archive.ts'
import type { CommittedManifest } from '../src/format/manifest.ts'
import { createMemoryStore, type MemoryStore } from '../src/store/memory.ts'
import type { NewObject, Store } from '../src/store/store.ts'
import { createCutWriter, type CutRecord, type CutResult, type CutWriter } from '../src/writer.ts'
import { alert, collect, event, eventId, gapEvent, heartbeat } from './events.ts'
import { createMemoryKeys, type MemoryKeys } from './memory-keys.ts'

const now = (): number => Date.UTC(2026, 10, 21, 9)

interface Bench {
  readonly store: MemoryStore
  readonly keys: MemoryKeys
  readonly writer: CutWriter
}

function bench(): Bench {
  const store = createMemoryStore()
  const keys = createMemoryKeys()
  return { store, keys, writer: createCutWriter({ store, keys, now, randomBytes }) }
}

function records(values: readonly Uint8Array[], firstOffset = 0): CutRecord[] {
  return values.map((value, at) => ({ offset: firstOffset + at, value, appendedMs: now() - 1000 + at }))
}

function events(from: number, to: number, fields: { lane?: string; tenant?: string } = {}): Buffer[] {
  return Array.from({ length: to - from }, (_, at) => event({ seq: from + at, ...fields }))
}

async function write(
  writer: CutWriter,
  values: readonly Uint8Array[],
  previous?: CommittedManifest,
): Promise<CutResult> {
  const first = previous?.manifest.next_offset ?? 0
  const cut = { topic: topic.events, partition: 0, records: records(values, first), previous }
  return writer.write({ ...cut, nextOffset: first + Math.max(1, values.length) })
}

async function archived(store: Store, keys: MemoryKeys, topicName: string = topic.events): Promise<Buffer[]> {
  const archive = openArchive({ store, keys })
  const rows: Buffer[] = []
  for await (const found of archive.manifests(topicName)) {
    for (const segment of found.manifest.segments) {
      rows.push(...(await collect((await archive.openSegment(found, segment)).rawRows())))
    }
  }
  return rows
}

describe('a cut', () => {
  test('is described by its manifest and gives back its records', async () => {
    const { store, keys, writer } = bench()
    const { kind, manifest: first } = await write(writer, events(0, 5))
    expect(kind).toBe('committed')
    expect(first.key).toBe('manifest/v1/mcp.events/0/00000000000000000000.json')
    expect(first.manifest).toMatchObject({
      first_offset: 0,
      next_offset: 5,
      previous: null,
      counts: { read: 5, archived: 5, duplicates: 0 },
      lanes: [{ lane: 'server-1/0', ranges: [[0, 4]], declared: [], missing: [] }],
    })
    expect(first.manifest.objects.map(({ key }) => key)).toEqual([
      'seg/v1/t=acme/d=2026-11-21/h=08/mcp.events-0-0-4.parquet',
    ])
    const { manifest: second } = await write(writer, events(5, 7), first)
    expect(second.manifest).toMatchObject({ first_offset: 5, next_offset: 7, previous: first.sha256 })
    expect(await archived(store, keys)).toEqual(events(0, 7))
    expect(await openArchive({ store, keys }).newest(topic.events, 0)).toEqual(second)
  })

  test('keeps small tenants in one bundle and large ones apart', async () => {
    const { store, keys } = bench()
    const writer = createCutWriter({ store, keys, now, randomBytes, ownObjectRows: 10 })
    const big = events(0, 12, { tenant: 'big', lane: 'a/0' })
    const small = ['one', 'two', 'three'].map((tenant, seq) => event({ seq, tenant, lane: 'b/0' }))
    const { manifest } = await write(writer, [...big, ...small])
    expect(manifest.manifest.objects).toHaveLength(2)
    expect(manifest.manifest.segments.map(({ tenant, object }) => [tenant, object])).toEqual([
      ['big', 0],
      ['one', 1],
      ['two', 1],
      ['three', 1],
    ])
    expect(store.objects.size).toBe(5)
    expect(await archived(store, keys)).toEqual([...big, ...small])
  })

  test('drops what the archive has, whether in this cut or an earlier one', async () => {
    const { store, keys, writer } = bench()
    const { manifest: first } = await write(writer, [...events(0, 3), ...events(1, 4)])
    expect(first.manifest.counts).toEqual({ read: 6, archived: 4, duplicates: 2 })
    const { manifest: second } = await write(writer, events(2, 6), first)
    expect(second.manifest.counts).toEqual({ read: 4, archived: 2, duplicates: 2 })
    expect(await archived(store, keys)).toEqual(events(0, 6))
  })

  test('names what is missing, and takes it in when it comes after all', async () => {
    const { store, keys, writer } = bench()
    const { manifest: first } = await write(writer, [...events(0, 2), ...events(5, 6)])
    expect(first.manifest.lanes).toMatchObject([
      {
        ranges: [
          [0, 1],
          [5, 5],
        ],
        missing: [[2, 4]],
      },
    ])
    const { manifest: second } = await write(writer, events(3, 4), first)
    expect(second.manifest.lanes).toMatchObject([{ ranges: [[3, 3]], missing: [] }])
    expect(second.manifest.watermarks).toMatchObject([
      {
        next: 6,
        missing: [
          [2, 2],
          [4, 4],
        ],
      },
    ])
    expect(await archived(store, keys)).toHaveLength(4)
  })

  test('takes a gap event for its range, once, and what mends it later', async () => {
    const { writer } = bench()
    const gap = gapEvent({ from: 2, to: 4 })
    const { manifest: first } = await write(writer, [...events(0, 2), gap, gap, ...events(5, 6)])
    expect(first.manifest.lanes).toMatchObject([{ declared: [[2, 4]], missing: [] }])
    expect(first.manifest.counts.duplicates).toBe(1)
    const { manifest: second } = await write(writer, events(2, 4), first)
    expect(second.manifest.watermarks).toMatchObject([{ next: 6, declared: [[4, 4]] }])
  })

  test('takes a claimed gap where the lane has come to, and refuses one that jumps over numbers to come', async () => {
    const { store, keys, writer } = bench()
    const forged = gapEvent({ from: 50, to: 99, claimed: true })
    const claim = gapEvent({ from: 1, to: 4, claimed: true })
    const { manifest } = await write(writer, [...events(0, 2), forged, claim, forged, ...events(5, 6)])
    expect(manifest.manifest.lanes).toMatchObject([{ declared: [[2, 4]], missing: [] }])
    expect(manifest.manifest.watermarks).toMatchObject([{ next: 6 }])
    expect(await archived(store, keys)).toEqual([...events(0, 2), claim, ...events(5, 6)])
  })

  test('keeps heartbeats once and learns from them what the lane has lost', async () => {
    const { writer } = bench()
    const beat = heartbeat({ seq: 1, timeMs: now() })
    const { manifest: first } = await write(writer, [...events(0, 2), beat, beat])
    expect(first.manifest.counts).toMatchObject({ archived: 3, duplicates: 1 })
    const { manifest: second } = await write(writer, [heartbeat({ seq: 3, timeMs: now() + 1 })], first)
    expect(second.manifest.lanes).toMatchObject([{ missing: [[2, 3]] }])
  })

  test('names offsets at which the bus had nothing', async () => {
    const { writer } = bench()
    const [a, b] = events(0, 2)
    if (a === undefined || b === undefined) throw new Error('no events')
    const cutRecords = [
      { offset: 2, value: a, appendedMs: now() },
      { offset: 5, value: b, appendedMs: now() },
    ]
    const cut = { topic: topic.events, partition: 0, records: cutRecords, nextOffset: 8, previous: undefined }
    const { manifest } = await writer.write(cut)
    expect(manifest.manifest.holes).toEqual([
      [0, 1],
      [3, 4],
      [6, 7],
    ])
  })

  test('keeps the same alert once', async () => {
    const { writer } = bench()
    const cut = { topic: topic.alerts, partition: 0, nextOffset: 3 }
    const { manifest: first } = await writer.write({
      ...cut,
      records: records([alert('a'), alert('b'), alert('a')]),
      previous: undefined,
    })
    expect(first.manifest.counts).toMatchObject({ archived: 2, duplicates: 1 })
    const { manifest: second } = await writer.write({
      ...cut,
      nextOffset: 4,
      records: records([alert('b')], 3),
      previous: first,
    })
    expect(second.manifest.counts).toMatchObject({ archived: 0, duplicates: 1 })
    expect(second.manifest.objects).toEqual([])
  })

  test('takes records it cannot read for tenant default', async () => {
    const { store, keys, writer } = bench()
    const odd = [Buffer.from('{"a":'), Buffer.from([0xff]), Buffer.alloc(0)]
    const { manifest } = await write(writer, odd)
    expect(manifest.manifest.segments.map(({ tenant }) => tenant)).toEqual(['default'])
    expect(await archived(store, keys)).toEqual(odd)
  })

  test('takes times that are no whole milliseconds', async () => {
    const { store, keys } = bench()
    const writer = createCutWriter({ store, keys, now: () => now() + 0.5, randomBytes })
    const cutRecords = [{ offset: 0, value: event({ seq: 0 }), appendedMs: 1.25 }]
    const cut = { topic: topic.events, partition: 0, records: cutRecords, nextOffset: 1, previous: undefined }
    await writer.write(cut)
    expect((await openArchive({ store, keys }).newest(topic.events, 0))?.manifest.clocks).toMatchObject({
      append: { min_ms: 1, max_ms: 1 },
      sealed_ms: now(),
    })
  })

  test('never commits what a reader would refuse', async () => {
    const { store, keys } = bench()
    const writer = createCutWriter({ store, keys, now: () => Number.NaN, randomBytes })
    await expect(write(writer, events(0, 1))).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED' })
    expect([...store.objects.keys()].filter(key => key.startsWith('manifest/'))).toEqual([])
  })

  test('refuses records out of order and cuts that do not go on', async () => {
    const { writer } = bench()
    const [value] = events(0, 1)
    if (value === undefined) throw new Error('no event')
    const base = { topic: topic.events, partition: 0, previous: undefined }
    const record = (offset: number): CutRecord => ({ offset, value, appendedMs: 0 })
    await expect(
      writer.write({ ...base, records: [record(3), record(2)], nextOffset: 9 }),
    ).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    await expect(writer.write({ ...base, records: [record(3)], nextOffset: 3 })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })
})

describe('two archivers at one position', () => {
  test('one wins, the other learns what the winner wrote', async () => {
    const { store, keys, writer } = bench()
    const results = await Promise.all([
      write(writer, events(0, 4)),
      write(writer, events(0, 6)),
      write(writer, events(0, 4)),
    ])
    const kinds = results.map(({ kind }) => kind).toSorted()
    expect(kinds).toEqual(['committed', 'lost', 'lost'])
    expect(new Set(results.map(({ manifest }) => manifest.sha256)).size).toBe(1)
    const winner = results[0].manifest.manifest.next_offset
    expect(await archived(store, keys)).toEqual(events(0, winner))
  })

  test('a crash between data and manifest leaves only data that nothing refers to', async () => {
    const { store, keys, writer } = bench()
    const dying: Store = {
      ...store,
      put: (object: NewObject) =>
        object.key.startsWith('manifest/') ? Promise.reject(new Error('killed')) : store.put(object),
    }
    const victim = createCutWriter({ store: dying, keys, now, randomBytes })
    await expect(write(victim, events(0, 4))).rejects.toThrow('killed')
    const { kind } = await write(writer, events(0, 4))
    expect(kind).toBe('committed')
    expect(await archived(store, keys)).toEqual(events(0, 4))
  })

  test('a commit whose confirmation was lost is recognised as our own', async () => {
    const { store, keys } = bench()
    let lost = 0
    const flaky: Store = {
      ...store,
      async put(object: NewObject) {
        await store.put(object)
        // The client tries again after a lost reply: the same bytes once more.
        lost += 1
        return store.put(object)
      },
    }
    const writer = createCutWriter({ store: flaky, keys, now, randomBytes })
    expect((await write(writer, events(0, 4))).kind).toBe('committed')
    expect(lost).toBe(3)
  })
})

test('an event is found by its id', async () => {
  const { store, keys, writer } = bench()
  const { manifest: first } = await write(writer, events(0, 50))
  await write(writer, events(50, 90), first)
  const archive = openArchive({ store, keys })
  const wanted = event({ seq: 70 })
  const id = eventId(70)
  const found = await archive.find(id, { topic: topic.events })
  expect(found?.raw).toEqual(wanted)
  expect(found?.row).toBe(20)
  expect(await archive.find('nothing', { topic: topic.events })).toBeUndefined()
  expect(await archive.find(id, { topic: topic.events, tenants: ['other'] })).toBeUndefined()
})
