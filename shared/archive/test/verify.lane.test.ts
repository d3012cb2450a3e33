import { randomBytes } from 'node:crypto'
import { topic } from '@muniment/schema'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
// @boundaries-ignore the lanes of the tests serve every package
import { howMany } from '../../../test/lanes/environment.ts'
import { openLog } from '../src/log.ts'
import { createMemoryStore } from '../src/store/memory.ts'
import { verifyArchive } from '../src/verify.ts'
import type { VerifyReport } from '../src/verify/report.ts'
import { createCutWriter } from '../src/writer.ts'
import { event, gapEvent } from './events.ts'
import { createMemoryKeys } from './memory-keys.ts'
import { createNoteSigner } from './note-signer.ts'
import {
  bytesOf,
  copyStore,
  fill,
  isNewestManifest,
  now,
  setBytes,
  smallArchive,
  type Small,
} from './small-archive.ts'

/** In the gate few; `MUNIMENT_TEST_ARCHIVES=1000` for all that were asked for. */
const archives = howMany('MUNIMENT_TEST_ARCHIVES', 15)
const signer = createNoteSigner('log.test/clean')

function codes(report: VerifyReport): string[] {
  return [...new Set(report.problems.map(({ code }) => code))]
}

describe('verification of an untouched archive', () => {
  test('finds nothing and says what it covers', async () => {
    const { store, keys } = await smallArchive()
    const report = await verifyArchive({ store, keys })
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ ok: true, checked: { manifests: 4, records: 6, hasContents: true } })
    expect(report.covered).toMatchObject([
      { topic: 'mcp.alerts', next_offset: 1 },
      { topic: 'mcp.events', partition: 0, first_offset: 0, next_offset: 5 },
    ])
    expect(report.covered[1]?.tenants.map(({ tenant, records }) => [tenant, records])).toEqual([
      ['acme', 4],
      ['other', 1],
    ])
    expect(report.notes.map(({ code }) => code)).toEqual(['lane.open', 'log.absent'])
  })

  test('goes as far as it can without keys and says so', async () => {
    const { store } = await smallArchive()
    const report = await verifyArchive({ store })
    expect(report).toMatchObject({ ok: true, checked: { hasContents: false } })
  })

  test('has nothing against an empty store', async () => {
    expect(await verifyArchive({ store: createMemoryStore() })).toMatchObject({ ok: true, covered: [] })
  })

  test('says that a tenant is erased and still proves the rest', async () => {
    const { store, keys } = await smallArchive()
    keys.destroy('other')
    const report = await verifyArchive({ store, keys })
    expect(report.problems).toEqual([])
    expect(report.notes.map(({ code }) => code)).toContain('segment.erased')
  })

  test('takes what a crashed archiver left for what it is', async () => {
    const small = await smallArchive()
    const { store, keys } = small
    const crashing = {
      ...store,
      put: (object: Parameters<typeof store.put>[0]) =>
        object.key.startsWith('manifest/') ? Promise.reject(new Error('killed')) : store.put(object),
    }
    const writer = createCutWriter({ store: crashing, keys, now, randomBytes })
    const records = [{ offset: 0, value: event({ seq: 0 }), appendedMs: now() }]
    const cut = { topic: topic.events, partition: 1, records, nextOffset: 1, previous: undefined }
    await expect(writer.write(cut)).rejects.toThrow('killed')
    const report = await verifyArchive({ store, keys })
    expect(report.problems).toEqual([])
    expect(report.notes.filter(({ code }) => code === 'object.orphan')).toHaveLength(2)
  })

  test('finds nothing in any archive that was written by the rules', async () => {
    const laneValues = fc.array(
      fc.record({ lane: fc.constantFrom('a/0', 'b/1'), tenant: fc.constantFrom('x', 'y') }),
      {
        maxLength: 30,
      },
    )
    await fc.assert(
      fc.asyncProperty(laneValues, fc.array(fc.nat(6), { maxLength: 6 }), async (list, sizes) => {
        const next = new Map<string, number>()
        const values = list.map(({ lane, tenant }) => {
          const seq = next.get(lane) ?? 0
          next.set(lane, seq + 1)
          return event({ seq, lane, tenant })
        })
        // Every cut repeats the end of the one before, as after a crash.
        let at = 0
        const cuts = sizes.map(size => values.slice(Math.max(0, at - 1), (at += size)))
        const small = { store: createMemoryStore(), keys: createMemoryKeys() }
        await fill(
          small,
          cuts.filter(cut => cut.length > 0),
          { topic: topic.events },
        )
        const partitions = [{ topic: topic.events, partition: 0 }]
        await openLog({ ...small, signer, now, partitions }).integrate()
        const report = await verifyArchive({ ...small, verifierKey: signer.vkey })
        expect(report.problems).toEqual([])
      }),
      { numRuns: archives },
    )
  }, 3_600_000)
})

interface LaneCase {
  readonly name: string
  readonly cuts: readonly (readonly Buffer[])[]
  /** What the report says against it, if anything. */
  readonly problem?: string
}

const laneCases: readonly LaneCase[] = [
  {
    name: 'a jump without a word',
    cuts: [[event({ seq: 0 }), event({ seq: 2 })]],
    problem: 'lacks 1 without',
  },
  { name: 'a lane that starts late', cuts: [[event({ seq: 3 })]], problem: 'lacks 0-2 without' },
  { name: 'a loss that was declared', cuts: [[event({ seq: 0 }), gapEvent({ from: 1, to: 2 })]] },
  { name: 'a loss that was mended', cuts: [[event({ seq: 0 }), event({ seq: 2 })], [event({ seq: 1 })]] },
]

describe('completeness of lanes', () => {
  test.each(laneCases)('$name', async ({ cuts, problem }) => {
    const small = { store: createMemoryStore(), keys: createMemoryKeys() }
    await fill(small, cuts, { topic: topic.events })
    const report = await verifyArchive(small)
    if (problem === undefined) expect(report.problems).toEqual([])
    else {
      expect(codes(report)).toEqual(['lane.missing'])
      expect(report.problems[0]?.reason).toContain(problem)
    }
  })
})

describe('attacks on a small archive', () => {
  test.each(['truncated', 'longer', 'empty', 'removed', 'copied'])(
    'an object that is %s is found',
    async attack => {
      const small = await smallArchive()
      for (const key of small.store.objects.keys()) {
        const { keys } = small
        const store = copyStore(small.store)
        const bytes = bytesOf(store, key)
        if (attack === 'truncated') setBytes(store, key, bytes.subarray(0, -1))
        if (attack === 'longer') setBytes(store, key, Buffer.concat([bytes, Buffer.from([0])]))
        if (attack === 'empty') setBytes(store, key, Buffer.alloc(0))
        if (attack === 'removed') store.objects.delete(key)
        if (attack === 'copied')
          setBytes(
            store,
            key.replace(/-\d+-(\d+)(\.|$)/u, '-7-$1$2').replace(/\d{20}/u, '0'.repeat(18) + '77'),
            bytes,
          )
        const report = await verifyArchive({ store, keys })
        const isUnanchored = attack === 'removed' && isNewestManifest(small.store, key)
        expect({ key, ok: report.ok }).toEqual({ key, ok: isUnanchored })
      }
    },
  )

  test('objects that changed places are found', async () => {
    const small = await smallArchive()
    const all = [...small.store.objects.keys()]
    for (const [index, a] of all.entries()) {
      for (const b of all.slice(index + 1)) {
        const { keys } = small
        const store = copyStore(small.store)
        setBytes(store, a, bytesOf(small.store, b))
        setBytes(store, b, bytesOf(small.store, a))
        expect({ a, b, ok: (await verifyArchive({ store, keys })).ok }).toEqual({ a, b, ok: false })
      }
    }
  })

  test.each([
    ['notes.txt', 'object.foreign'],
    ['seg/v1/t=acme/d=2026-11-21/h=08/mcp.events-9-0-4.parquet', 'object.foreign'],
    ['seg/v1/t=acme/d=2026-11-21/h=08/mcp.events-9-0-4.tree', 'object.foreign'],
    ['manifest/v1/mcp.events/0/00000000000000000099.json', 'manifest.malformed'],
  ])('a foreign object %s is found', async (key, code) => {
    const { store, keys } = await smallArchive()
    setBytes(store, key, Buffer.from('hello, I am new here'))
    const report = await verifyArchive({ store, keys })
    expect(report.problems).toMatchObject([{ code, object: key }])
  })
})

/** An archive whose manifests name the versions of a bucket, as it looks when its files are copied to a folder. */
async function copiedBucket(): Promise<Small> {
  const small = { store: createMemoryStore(), keys: createMemoryKeys() }
  const bucket: Small['store'] = {
    ...small.store,
    async put(object) {
      const result = await small.store.put(object)
      return result.kind === 'stored'
        ? { ...result, version: `3sL4kqtJlcpXroDTDm.${object.key.length}` }
        : result
    },
  }
  await fill({ ...small, store: bucket }, [[event({ seq: 0 })], [event({ seq: 1 })]], { topic: topic.events })
  return small
}

describe('a bucket that was copied to a folder', () => {
  test('verifies by its hashes, and what no copy can show is said', async () => {
    const { store, keys } = await copiedBucket()
    const report = await verifyArchive({ store, keys, withLocks: true })
    expect(report).toMatchObject({ ok: true, checked: { records: 2 } })
    expect(report.notes.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['store.copied', 'lock.unknown']),
    )
  })

  test('is found altered, cut short or filled up as any other archive is', async () => {
    const { store, keys } = await copiedBucket()
    const key = store.objects.keys().find(each => each.endsWith('.parquet')) ?? ''
    const bytes = bytesOf(store, key)
    setBytes(store, key, Buffer.from(bytes.with(9, (bytes[9] ?? 0) ^ 1)))
    expect(codes(await verifyArchive({ store, keys }))).toContain('object.altered')
    store.objects.delete(key)
    expect(codes(await verifyArchive({ store, keys }))).toContain('object.missing')
    setBytes(store, key, bytes)
    setBytes(store, key.replace('.parquet', '9.parquet'), bytes)
    expect(codes(await verifyArchive({ store, keys }))).toEqual(['object.duplicate'])
  })
})
