import { randomBytes } from 'node:crypto'
import { topic } from '@muniment/schema'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { openArchive } from '../src/archive.ts'
import { largeBodies, putBack, takeOut } from '../src/format/large-bodies.ts'
import { manifestBytes, parseManifest } from '../src/format/manifest.ts'
import { openLog } from '../src/log.ts'
import { bufferSource, openParquet } from '../src/parquet/read.ts'
import { proveRecord } from '../src/proof/prove.ts'
import { verifyProof } from '../src/proof/verify.ts'
import { createMemoryStore, type MemoryStore } from '../src/store/memory.ts'
import { verifyArchive } from '../src/verify.ts'
import type { VerifyReport } from '../src/verify/report.ts'
import { createCutWriter, type CutResult } from '../src/writer.ts'
import { collect, event, eventId } from './events.ts'
import { createMemoryKeys, type MemoryKeys } from './memory-keys.ts'
import { createNoteSigner } from './note-signer.ts'
import { query } from './plain-parquet.ts'
import { bytesOf, copyStore, fill, now, setBytes } from './small-archive.ts'

const signer = createNoteSigner('log.test/bodies')
const sizeBytes = 300 * 1024

/** Text that does not compress well, the same for the same seed. */
function long(seed: number): string {
  let state = seed
  const next = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0)
  return Array.from({ length: sizeBytes / 8 }, () => next().toString(16).padStart(8, '0')).join('')
}

const [one, two] = [long(1), long(2)]

/** Small and large records of two tenants; one message is in three of them. */
const records = [
  event({ seq: 0, text: one }),
  event({ seq: 1 }),
  event({ seq: 2, text: two }),
  event({ seq: 0, lane: 'server-2/0', text: one }),
  event({ seq: 0, lane: 'server-3/0', tenant: 'other', text: one }),
]

interface World {
  readonly store: MemoryStore
  readonly keys: MemoryKeys
}

async function write(world: World): Promise<void> {
  await fill(world, [records], { topic: topic.events })
  await openLog({ ...world, signer, now, partitions: [{ topic: topic.events, partition: 0 }] }).integrate()
}

function bodiesIn({ store }: { readonly store: MemoryStore }): readonly string[] {
  return [...store.objects.keys()].filter(key => key.startsWith('body/')).toSorted()
}

async function rawsOf({ store, keys }: World): Promise<readonly Buffer[]> {
  const archive = openArchive({ store, keys })
  const raws: Buffer[] = []
  for await (const found of archive.manifests(topic.events))
    for (const segment of found.manifest.segments)
      raws.push(...(await collect((await archive.openSegment(found, segment)).rawRows())))
  return raws
}

let world: World

beforeAll(async () => {
  world = { store: createMemoryStore(), keys: createMemoryKeys() }
  await write(world)
})

describe('a large body', () => {
  test('lies in an object of its own, once for each tenant, and the record is whole for whoever reads it', async () => {
    expect(await rawsOf(world)).toEqual(records)
    const bodies = bodiesIn(world)
    expect(bodies.map(key => key.slice(0, key.lastIndexOf('/')))).toEqual([
      'body/v1/t=acme/d=2026-11-21',
      'body/v1/t=acme/d=2026-11-21',
      'body/v1/t=other/d=2026-11-21',
    ])
    const data = [...world.store.objects].filter(([key]) => /^(seg|bundle)\//u.test(key))
    const stored = data.reduce((sum, [, [version]]) => sum + (version?.bytes.length ?? 0), 0)
    expect(stored).toBeLessThan(sizeBytes / 4)
  })

  test('of two tenants cannot be told to be the same', () => {
    const [first = '', , third = ''] = bodiesIn(world)
    const names = bodiesIn(world).map(key => key.slice(key.lastIndexOf('/') + 1))
    expect(new Set(names).size).toBe(3)
    const [mine, theirs] = [bytesOf(world.store, first), bytesOf(world.store, third)]
    const equal = mine.subarray(8).filter((byte, at) => byte === theirs[at + 8]).length
    // What two unrelated ciphers have in common by chance is a 256th.
    expect(equal).toBeLessThan(mine.length / 100)
  })

  test('is the same object for two archivers at one position', async () => {
    const [mine, theirs] = [createMemoryStore(), createMemoryStore()]
    const { keys } = world
    await write({ store: mine, keys })
    await write({ store: theirs, keys })
    expect(bodiesIn({ store: theirs })).toEqual(bodiesIn({ store: mine }))
    for (const key of bodiesIn({ store: mine })) expect(bytesOf(theirs, key)).toEqual(bytesOf(mine, key))

    const shared = createMemoryStore()
    const race = async (): Promise<CutResult> => {
      const values = records.map((value, offset) => ({ offset, value, appendedMs: now() }))
      const cuts = createCutWriter({ store: shared, keys, now, randomBytes })
      const nextOffset = values.length
      return await cuts.write({
        topic: topic.events,
        partition: 0,
        records: values,
        nextOffset,
        previous: undefined,
      })
    }
    const results = await Promise.all([race(), race()])
    expect(results.map(({ kind }) => kind).toSorted()).toEqual(['committed', 'lost'])
    for (const key of bodiesIn({ store: shared })) expect(shared.objects.get(key)).toHaveLength(1)
    expect(await rawsOf({ store: shared, keys })).toEqual(records)
    expect((await verifyArchive({ store: shared, keys })).problems).toEqual([])
  })

  test('is in the rows that a query engine gets; what opens it is not', async () => {
    const archive = openArchive(world)
    const [found] = await collect(archive.manifests(topic.events))
    const segment = found?.manifest.segments.find(({ tenant }) => tenant === 'acme')
    if (found === undefined || segment === undefined) throw new Error('no segment')
    const reader = await archive.openSegment(found, segment)
    expect(reader.columns).not.toContain('bodies')
    const plain = await reader.extract({ columns: ['id', 'raw', 'bodies'] })
    const text = "json_extract_string(decode(raw), '$.request.body.params.arguments.text')"
    const rows = [
      [eventId(0), one],
      [eventId(1), 'lunch at noon'],
      [eventId(2), two],
      [eventId(0), one],
    ]
    expect(await query(plain, `SELECT id, octet_length(raw), ${text} FROM file`)).toEqual(
      rows.map(([id, value], at) => [id, BigInt(records[at]?.length ?? 0), value]),
    )
    expect(await query(plain, 'SELECT count(*) FROM (DESCRIBE FROM file)')).toEqual([[2n]])
  })

  test('is proven with its record', async () => {
    const found = await openArchive(world).find(eventId(2), { topic: topic.events })
    if (found === undefined) throw new Error('not found')
    const { manifest, segment, row, raw } = found
    const object = { key: manifest.manifest.objects[segment.object]?.key ?? '' }
    const place = { manifest, object, start: segment.start, row }
    const file = await proveRecord(world.store, place, { raw, isDisclosed: true })
    const report = verifyProof(file, { verifierKey: signer.vkey })
    expect(report.ok && report.record?.raw?.equals(records[2] ?? Buffer.alloc(0))).toBe(true)
  })

  test('goes with the key of its tenant, and its position stays proven', async () => {
    const keys = world.keys.copy()
    keys.destroy('acme')
    const report = await verifyArchive({ ...world, keys, verifierKey: signer.vkey })
    expect(report.problems).toEqual([])
    expect(report.notes.map(({ code }) => code)).toContain('segment.erased')
    await expect(rawsOf({ ...world, keys })).rejects.toMatchObject({ code: 'KEY_UNKNOWN' })
    await expect(keys.contentKey('acme')).rejects.toMatchObject({ code: 'KEY_UNKNOWN' })
  })
})

interface Attack {
  readonly name: string
  readonly attack: (store: MemoryStore, body: string, others: readonly string[]) => void
  readonly found: string
}

function never(): never {
  throw new Error('the archive has no body')
}

function flipped(bytes: Buffer): Buffer {
  return Buffer.from(bytes.with(1000, (bytes[1000] ?? 0) ^ 1))
}

function swap(store: MemoryStore, a: string, b: string): void {
  const [first, second] = [bytesOf(store, a), bytesOf(store, b)]
  setBytes(store, a, second)
  setBytes(store, b, first)
}

const attacks: readonly Attack[] = [
  { name: 'removed', attack: (store, body) => store.objects.delete(body), found: 'object.missing' },
  {
    name: 'with a flipped bit',
    attack: (store, body) => setBytes(store, body, flipped(bytesOf(store, body))),
    found: 'object.altered',
  },
  {
    name: 'cut off',
    attack: (store, body) => setBytes(store, body, bytesOf(store, body).subarray(0, -1)),
    found: 'object.altered',
  },
  {
    name: 'emptied',
    attack: (store, body) => setBytes(store, body, Buffer.alloc(0)),
    found: 'object.altered',
  },
  {
    name: "exchanged for the tenant's other",
    attack: (store, body, [other = '']) => swap(store, body, other),
    found: 'object.altered',
  },
  {
    name: "exchanged for another tenant's",
    attack: (store, body, [, other = '']) => swap(store, body, other),
    found: 'object.altered',
  },
  {
    name: 'under a later version',
    attack(store, body) {
      const versions = store.objects.get(body) ?? []
      store.objects.set(body, [
        ...versions,
        { version: '9', bytes: Buffer.from('MUNBODY1 and more than 16 bytes') },
      ])
    },
    found: 'object.shadowed',
  },
  {
    name: 'copied to another name',
    attack: (store, body) => setBytes(store, `${body.slice(0, -4)}0000`, bytesOf(store, body)),
    found: 'object.duplicate',
  },
]

describe('a body that is', () => {
  test.each(attacks)('$name is found, with keys and without', async ({ attack, found }) => {
    const [body = '', ...others] = bodiesIn(world)
    const store = copyStore(world.store)
    attack(store, body, others)
    const reports: VerifyReport[] = []
    for (const keys of [world.keys, undefined])
      reports.push(await verifyArchive({ store, verifierKey: signer.vkey, ...(keys && { keys }) }))
    for (const { ok, problems } of reports) {
      expect(ok).toBe(false)
      expect(problems.map(({ code }) => code)).toContain(found)
    }
  })

  test('listed without a record that refers to it is found by whoever holds the keys', async () => {
    const store = copyStore(world.store)
    const key = [...store.objects.keys()].find(name => name.startsWith('manifest/')) ?? ''
    const manifest = parseManifest(key, bytesOf(store, key))
    const stray = {
      ...(manifest.bodies?.[0] ?? never()),
      key: `body/v1/t=acme/d=2026-11-21/${'0'.repeat(64)}`,
    }
    setBytes(store, stray.key, bytesOf(store, manifest.bodies?.[0]?.key ?? ''))
    setBytes(store, key, manifestBytes({ ...manifest, bodies: [...(manifest.bodies ?? []), stray] }))
    const { problems } = await verifyArchive({ store, keys: world.keys })
    expect(problems.map(({ object }) => object)).toContain(stray.key)
  })

  test("another tenant's does not open in a record, whatever its manifest lists", async () => {
    const store = copyStore(world.store)
    const archive = openArchive({ store, keys: world.keys })
    const [found] = await collect(archive.manifests(topic.events))
    if (found === undefined) throw new Error('no manifest')
    const bodies = (found.manifest.bodies ?? []).filter(({ key }) => key.includes('t=other'))
    const lying = { ...found, manifest: { ...found.manifest, bodies } }
    const segment = found.manifest.segments.find(({ tenant }) => tenant === 'acme')
    if (segment === undefined) throw new Error('no segment')
    const reader = await archive.openSegment(lying, segment)
    await expect(collect(reader.rawRows())).rejects.toMatchObject({
      code: 'ARCHIVE_DAMAGED',
      details: { reason: 'BODY_UNRESOLVED' },
    })
  })
})

test('a foreign reader with the key of the segment finds what it needs to open a body', async () => {
  const archive = openArchive(world)
  const [found] = await collect(archive.manifests(topic.events))
  const segment = found?.manifest.segments.find(({ tenant }) => tenant === 'other')
  const object = found?.manifest.objects[segment?.object ?? 0]
  if (found === undefined || segment === undefined || object === undefined) throw new Error('no segment')
  const bytes = bytesOf(world.store, object.key).subarray(segment.start, segment.start + segment.size_bytes)
  const reader = await openParquet(bufferSource(bytes), await archive.dataKey(found, segment))
  const [value] = await reader.values('bodies', 0)
  expect(JSON.parse(String(value))).toEqual([
    {
      at: expect.any(Number),
      size_bytes: expect.any(Number),
      object: bodiesIn(world)[2],
      key: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/u),
    },
  ])
  const [raw] = await reader.rawGroup(0)
  expect(JSON.parse(String(raw))).toMatchObject({ request: { size_bytes: 120, body: null } })
})

test('taking bodies out and putting them back changes nothing', () => {
  const side = fc.option(fc.record({ size_bytes: fc.nat(), body: fc.jsonValue() }), { nil: undefined })
  const any = fc.record({ a: fc.jsonValue(), request: side, nonce: fc.string(), response: side })
  fc.assert(
    fc.property(any, fc.integer({ min: 1, max: 40 }), (value, atLeast) => {
      const record = Buffer.from(JSON.stringify(value))
      const spans = largeBodies(topic.events, record, atLeast)
      const { stored, at } = takeOut(record, spans)
      const bodies = spans.map(({ start, end }, index) => ({
        at: at[index] ?? 0,
        bytes: record.subarray(start, end),
      }))
      expect(() => JSON.parse(stored.toString()) as unknown).not.toThrow()
      expect(putBack(stored, bodies)).toEqual(record)
    }),
  )
})
