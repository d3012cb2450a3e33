import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { AppError, topic } from '@muniment/schema'
import { beforeAll, describe, expect, test } from 'vitest'
import { openArchive } from '../src/archive.ts'
import { createCosigner } from '../src/format/cosignature.ts'
import { manifestBytes, parseManifest } from '../src/format/manifest.ts'
import { openLog } from '../src/log.ts'
import { proveRecord } from '../src/proof/prove.ts'
import { verifyProof } from '../src/proof/verify.ts'
import { createMemoryStore, type MemoryStore } from '../src/store/memory.ts'
import { verifyArchive, type VerifyOptions } from '../src/verify.ts'
import { formatMemory, parseMemory, type VerifyMemory } from '../src/verify/memory.ts'
import type { VerifyReport } from '../src/verify/report.ts'
import { createCutWriter } from '../src/writer.ts'
import { alert, event, eventId } from './events.ts'
import { createMemoryKeys, type MemoryKeys } from './memory-keys.ts'
import { createNoteSigner } from './note-signer.ts'
import { bytesOf, fill, setBytes } from './small-archive.ts'

/** What whoever may write to the store, or holds more than that, could do to an archive, and what says so. */

const hourMs = 3_600_000
const startMs = Date.UTC(2026, 10, 21, 9)
const signer = createNoteSigner('log.test/attacked')
const witness = createCosigner('witness.test/w1', generateKeyPairSync('ed25519').privateKey)
const policy = `log ${signer.vkey}\nwitness w1 ${witness.vkey}\nquorum w1\n`
const partitions = [topic.events, topic.alerts].map(name => ({ topic: name, partition: 0 }))

interface World {
  readonly store: MemoryStore
  readonly keys: MemoryKeys
  /** A checkpoint that an auditor kept before the last cuts. */
  readonly kept: string
}

/** Writes a cut of events by an archiver whose clock shows this time. */
async function cut(
  { store, keys }: Omit<World, 'kept'>,
  seqs: readonly number[],
  nowMs: number,
): Promise<void> {
  const previous = await openArchive({ store, keys }).newest(topic.events, 0)
  const offset = previous?.manifest.next_offset ?? 0
  const values = seqs.flatMap(seq => [event({ seq }), event({ seq, lane: 'server-2/0', tenant: 'other' })])
  const records = values.map((value, at) => ({ offset: offset + at, value, appendedMs: nowMs }))
  const writer = createCutWriter({ store, keys, now: () => nowMs, randomBytes })
  const nextOffset = offset + records.length
  await writer.write({ topic: topic.events, partition: 0, records, nextOffset, previous })
}

/** Lets the notary work, and the witness sign what it published. */
async function sign(store: MemoryStore, nowMs: number): Promise<string> {
  const log = openLog({ store, signer, partitions, now: () => nowMs })
  const { checkpoint = '' } = await log.integrate()
  const text = checkpoint.slice(0, checkpoint.indexOf('\n\n') + 1)
  await log.publishCosigned(checkpoint + witness.cosign(text, Math.floor(nowMs / 1000)))
  return checkpoint
}

async function createAttacked(keys = createMemoryKeys()): Promise<World> {
  const world = { store: createMemoryStore(), keys }
  await fill(world, [[alert('one')]], { topic: topic.alerts })
  let kept = ''
  for (const [at, seqs] of [[0, 1], [2], [3, 4], [5]].entries()) {
    await cut(world, seqs, startMs + at * 2 * hourMs)
    const signed = await sign(world.store, startMs + at * 2 * hourMs)
    if (at === 1) kept = signed
  }
  return { ...world, kept }
}

/** The same archive, to be altered; its checkpoint too. */
async function copyOf(world: World): Promise<World> {
  const store = createMemoryStore()
  for (const [key, versions] of world.store.objects) store.objects.set(key, versions)
  const stored = await world.store.checkpoint.read()
  if (stored !== undefined) await store.checkpoint.replace(stored.bytes, undefined)
  return { ...world, store }
}

async function setCheckpoint(store: MemoryStore, bytes: Buffer): Promise<void> {
  await store.checkpoint.replace(bytes, (await store.checkpoint.read())?.tag)
}

function keysOf({ store }: World, prefix: string): string[] {
  return [...store.objects.keys()].filter(key => key.startsWith(prefix)).toSorted()
}

function optionsOf({ store, keys, kept }: World): VerifyOptions {
  return { store, keys, policy, remembered: [kept] }
}

function verify(world: World): Promise<VerifyReport> {
  return verifyArchive(optionsOf(world))
}

function drop(world: World, prefix: string, count: number): void {
  for (const key of keysOf(world, prefix).slice(-count)) world.store.objects.delete(key)
}

/** Replaces the newest manifest by a version of it that says something else, in canonical form. */
function rewriteNewest(world: World, lie: (text: string) => string): void {
  const key = keysOf(world, 'manifest/v1/mcp.events/').at(-1) ?? ''
  const text = lie(bytesOf(world.store, key).toString())
  setBytes(world.store, key, manifestBytes(parseManifest(key, Buffer.from(text))))
}

function refuseWrongKey(): Promise<never> {
  return Promise.reject(new AppError('KEY_WRONG', 'The key of tenant acme does not open.'))
}

function swap({ store }: World, a: string, b: string): void {
  const [first, second] = [bytesOf(store, a), bytesOf(store, b)]
  setBytes(store, a, second)
  setBytes(store, b, first)
}

/** Segments of two tenants in one bundle change places, and the manifest says so. */
function swapTenants(world: World): void {
  rewriteNewest(world, text =>
    text
      .replaceAll('"tenant":"acme"', '"tenant":"x"')
      .replaceAll('"tenant":"other"', '"tenant":"acme"')
      .replaceAll('"tenant":"x"', '"tenant":"other"'),
  )
}

/** Verifies with what an earlier run left; `read` collects the names of what is read. */
async function resume(world: World, memory: VerifyMemory, read?: string[]): Promise<VerifyReport> {
  const { store } = world
  const get: MemoryStore['get'] = (name, options) => {
    read?.push(name)
    return store.get(name, options)
  }
  return await verifyArchive({ ...optionsOf(world), store: { ...store, get }, memory })
}

interface Attack {
  readonly name: string
  readonly attack: (world: World) => Promise<void> | void
  /** Codes of which at least one must be found. */
  readonly found: readonly string[]
  /** What the object named must begin with. */
  readonly object: string
}

const attacks: readonly Attack[] = [
  ...[1, 2, 3].map(count => ({
    name: `the newest ${count} manifests dropped`,
    attack: (world: World) => drop(world, 'manifest/v1/mcp.events/', count),
    found: ['log.manifest'],
    object: 'manifest/v1/mcp.events/',
  })),
  {
    name: 'the newest objects dropped',
    attack: world => drop(world, 'bundle/', 2),
    found: ['object.missing'],
    object: 'bundle/',
  },
  {
    name: 'everything newer than an old checkpoint dropped, the log included',
    attack: async world => {
      const { kept, store } = world
      drop(world, 'manifest/v1/mcp.events/', 3)
      for (const prefix of ['log/tile/', 'log/cosigned/']) drop(world, prefix, 100)
      drop(world, 'log/seq/', 3)
      await setCheckpoint(store, Buffer.from(kept))
    },
    found: ['log.fork'],
    object: 'a remembered checkpoint',
  },
  {
    name: 'an old checkpoint served',
    attack: async ({ store, kept }) => setCheckpoint(store, Buffer.from(kept)),
    found: ['log.checkpoint'],
    object: 'log/checkpoint',
  },
  {
    name: 'the newest batches of the log dropped',
    attack: world => drop(world, 'log/seq/', 2),
    found: ['log.fork', 'log.tile'],
    object: 'log/',
  },
  {
    name: 'all cosigned checkpoints dropped',
    attack: world => drop(world, 'log/cosigned/', 100),
    found: ['log.cosigned', 'log.unwitnessed'],
    object: 'log/checkpoint',
  },
  {
    name: 'a cosignature altered',
    attack: world => {
      const [key = ''] = keysOf(world, 'log/cosigned/')
      const bytes = bytesOf(world.store, key)
      const at = bytes.length - 10
      setBytes(world.store, key, Buffer.from(bytes.with(at, (bytes[at] ?? 0) ^ 1)))
    },
    found: ['log.cosigned', 'log.checkpoint'],
    object: 'log/cosigned/',
  },
  {
    name: 'tiles in another order',
    attack: world => {
      const [a = '', b = ''] = keysOf(world, 'log/tile/0/').slice(-2)
      swap(world, a, b)
    },
    found: ['log.tile'],
    object: 'log/tile/0/',
  },
  {
    name: 'batches in another order',
    attack: world => {
      const [a = '', b = ''] = keysOf(world, 'log/seq/').slice(-2)
      swap(world, a, b)
    },
    found: ['log.fork', 'log.tile', 'log.order'],
    object: 'log/',
  },
  {
    name: 'a manifest replayed at the next position',
    attack: world => {
      const key = keysOf(world, 'manifest/v1/mcp.events/').at(-1) ?? ''
      setBytes(world.store, key.replace(/\d{20}/u, '00000000000000000099'), bytesOf(world.store, key))
    },
    found: ['manifest.malformed', 'manifest.misplaced'],
    object: 'manifest/v1/mcp.events/0/00000000000000000099.json',
  },
  {
    name: 'the newest manifest back-dated',
    attack: world =>
      rewriteNewest(world, text => text.replace(/"sealed_ms":\d+/u, '"sealed_ms":1700000000000')),
    found: ['log.manifest'],
    object: 'manifest/v1/mcp.events/',
  },
  {
    name: 'segments swapped between tenants',
    attack: swapTenants,
    found: ['segment.unreadable', 'row.tenant'],
    object: 'bundle/',
  },
  {
    name: 'a hole claimed where records were',
    attack: world => rewriteNewest(world, text => text.replace(/"holes":\[\]/u, '"holes":[[10,11]]')),
    found: ['manifest.counts'],
    object: 'manifest/v1/mcp.events/',
  },
  {
    name: 'a cut added with the clock turned back, and signed by the honest notary',
    attack: async world => {
      await cut(world, [6], startMs - 48 * hourMs)
      await sign(world.store, startMs + 9 * hourMs)
    },
    found: ['clock.backdated'],
    object: 'manifest/v1/mcp.events/',
  },
  {
    name: 'a cut added with the clock set ahead',
    attack: async world => {
      await cut(world, [6], startMs + 480 * hourMs)
      await sign(world.store, startMs + 9 * hourMs)
    },
    found: ['clock.ahead'],
    object: 'manifest/v1/mcp.events/',
  },
  {
    name: 'another log under the same key, by whoever holds it',
    attack: async world => {
      const forged = await createAttacked(world.keys)
      world.store.objects.clear()
      for (const [key, versions] of forged.store.objects) world.store.objects.set(key, versions)
      await setCheckpoint(world.store, (await forged.store.checkpoint.read())?.bytes ?? Buffer.alloc(0))
    },
    found: ['log.fork'],
    object: 'a remembered checkpoint',
  },
  {
    name: 'a record added that skips numbers of its lane',
    attack: async world => {
      await cut(world, [9], startMs + 8 * hourMs)
      await sign(world.store, startMs + 8 * hourMs)
    },
    found: ['lane.missing'],
    object: 'manifest/v1/mcp.events/',
  },
]

describe('attacks', () => {
  let clean: World
  beforeAll(async () => {
    clean = await createAttacked()
  })

  test('nothing is found where there was none, and everything is witnessed', async () => {
    const report = await verify(clean)
    expect(report.problems).toEqual([])
    expect(report.anchored?.witnessed).toMatchObject({
      treeSize: 5,
      by: [{ name: 'witness.test/w1', treeSize: 5 }],
    })
  })

  test.each(attacks)('$name: found, and named', async ({ attack, found, object }) => {
    const world = await copyOf(clean)
    await attack(world)
    const { ok, problems } = await verify(world)
    expect(ok).toBe(false)
    const named = problems.filter(({ code }) => found.includes(code))
    expect(named.map(({ code }) => code)).not.toEqual([])
    expect(named.some(problem => problem.object.startsWith(object) && problem.reason !== '')).toBe(true)
    expect(named.filter(({ range, entries }) => range === undefined && entries === undefined)).toEqual([])
  })

  test('a later version that shadows an object changes nothing for readers, and is found', async () => {
    for (const prefix of ['bundle/', 'manifest/', 'log/tile/', 'log/seq/']) {
      const world = await copyOf(clean)
      const key = keysOf(world, prefix).at(-1) ?? ''
      const first = world.store.objects.get(key)?.[0]
      if (first === undefined) throw new Error(`nothing under ${prefix}`)
      world.store.objects.set(key, [first, { version: 'later', bytes: Buffer.from('instead') }])
      expect(await world.store.get(key)).toEqual(first.bytes)
      const { problems } = await verify(world)
      expect(problems.map(each => each.object)).toContain(key)
    }
  })

  test.each(['log/seq/v1/', 'log/seq/v1/abc', 'log/seq/v1/7', `log/seq/v1/${'0'.repeat(19)}1`])(
    'a batch %s that nobody may write is found, and names entries in their order',
    async key => {
      const world = await copyOf(clean)
      world.store.objects.set(key, [{ version: '0', bytes: Buffer.from('instead') }])
      const { problems } = await verify(world)
      const found = problems.filter(({ object }) => object === key)
      expect(found.map(({ code }) => code)).toContain('log.entries')
      for (const { entries } of found) {
        expect(entries?.first).toBeGreaterThanOrEqual(0)
        expect(entries?.next ?? Infinity).toBeGreaterThan(entries?.first ?? Infinity)
      }
    },
  )

  test('a key store that was rolled back, or another, is told from an erasure', async () => {
    const world = await copyOf(clean)
    const cutoffMs = startMs + 3 * hourMs
    const later = new Set<string>()
    for await (const { manifest } of openArchive(world).manifests(topic.events))
      if (manifest.clocks.sealed_ms > cutoffMs)
        for (const each of manifest.segments) later.add(each.wrapped_key)
    // Generations that came after the state that was put back.
    const openDataKey: MemoryKeys['openDataKey'] = async (tenant, context, wrapped) => {
      if (later.has(wrapped)) throw new AppError('KEY_UNKNOWN', 'no such generation')
      return await world.keys.openDataKey(tenant, context, wrapped)
    }
    const rolledBack = await verify({ ...world, keys: { ...world.keys, openDataKey } })
    expect(new Set(rolledBack.problems.map(({ code }) => code))).toEqual(new Set(['segment.locked-out']))
    const foreign = await verify({ ...world, keys: createMemoryKeys() })
    expect(foreign.problems.map(({ code }) => code)).toContain('segment.unreadable')
    const replaced = await verify({ ...world, keys: { ...world.keys, openDataKey: refuseWrongKey } })
    expect(new Set(replaced.problems.map(({ code }) => code))).toEqual(new Set(['segment.locked-out']))
    const erased = await copyOf(await createAttacked())
    erased.keys.destroy('other')
    expect((await verify({ ...erased })).problems).toEqual([])
    erased.keys.destroy('acme')
    const empty = await verify({ ...erased })
    expect(empty.notes.find(({ code }) => code === 'segment.locked-out')?.reason).toContain(
      'not the key store',
    )
  })

  describe('a verification that goes on from what an earlier one read', () => {
    const key = createSecretKey(randomBytes(32))
    const memoryOf = async (world: World): Promise<VerifyMemory> => {
      let memory: VerifyMemory | undefined
      await verifyArchive({ ...optionsOf(world), onMemory: made => (memory = made) })
      if (memory === undefined) throw new Error('nothing was remembered')
      return parseMemory(formatMemory(memory, key), key)
    }
    test('reads no data again, and says as much', async () => {
      const world = await copyOf(clean)
      const read: string[] = []
      const report = await resume(world, await memoryOf(world), read)
      expect(read.filter(name => /^(?:seg|bundle)\//u.test(name))).toEqual([])
      const { problems, covered, checked } = await verify(world)
      expect(report).toMatchObject({ problems, covered })
      expect(report.checked).toMatchObject({ records: checked.records, remembered: checked.manifests })
    })

    test('finds what was removed, cut, hidden or rewritten since', async () => {
      const memory = await memoryOf(clean)
      // Newer cosignatures and tiles make up for the loss of older ones.
      const places = ['bundle/', 'seg/', 'manifest/', 'log/seq/']
      for (const name of places.flatMap(place => keysOf(clean, place))) {
        const removed = await copyOf(clean)
        removed.store.objects.delete(name)
        const shorter = await copyOf(clean)
        setBytes(shorter.store, name, bytesOf(clean.store, name).subarray(1))
        for (const world of [removed, shorter])
          expect({ name, ok: (await resume(world, memory)).ok }).toEqual({ name, ok: false })
      }
    })

    test('refuses a memory with any byte changed, or made elsewhere', async () => {
      const file = formatMemory(await memoryOf(clean), key)
      for (let at = 0; at < file.length; at += 7) {
        const forged = Buffer.from(file)
        forged[at] = (forged[at] ?? 0) ^ 1
        expect(() => parseMemory(forged, key)).toThrow('altered')
      }
      expect(() => parseMemory(file, createSecretKey(randomBytes(32)))).toThrow('not made here')
      expect(() => parseMemory(Buffer.alloc(5), key)).toThrow('altered')
    })

    test('reads everything where the memory is not of this log, was made without keys, or found it wrong', async () => {
      const world = await copyOf(clean)
      const memory = await memoryOf(world)
      const data = keysOf(world, 'bundle/').at(0) ?? keysOf(world, 'seg/').at(0) ?? ''
      const bytes = Buffer.from(bytesOf(world.store, data))
      bytes[40] = (bytes[40] ?? 0) ^ 1
      setBytes(world.store, data, bytes)
      const other = await createAttacked()
      const names = async (from: VerifyMemory): Promise<string[]> =>
        (await resume(world, from)).problems.map(({ object }) => object)
      expect(await names(await memoryOf(world))).toContain(data)
      expect(await names({ ...memory, hasContents: false })).toContain(data)
      expect(await names({ ...memory, checkpoint: (await memoryOf(other)).checkpoint })).toEqual(
        expect.arrayContaining([data, 'a remembered checkpoint']),
      )
      // What trusting a memory means: bytes that were replaced in place since are not read again.
      expect(await names(memory)).toEqual([])
    })

    test('compares the log with the checkpoint of the memory', async () => {
      const memory = await memoryOf(clean)
      const world = await copyOf(clean)
      for (const prefix of ['log/seq/', 'log/cosigned/', 'manifest/v1/mcp.events/']) drop(world, prefix, 1)
      await setCheckpoint(world.store, Buffer.from(clean.kept))
      const { problems } = await resume(world, memory)
      expect(problems.map(({ code, object }) => `${code} ${object}`)).toContain(
        'log.fork a remembered checkpoint',
      )
    })
  })

  test('a proof made under the cosigned checkpoint satisfies the policy, one under a bare checkpoint does not', async () => {
    const { store, keys } = await copyOf(clean)
    const found = await openArchive({ store, keys }).find(eventId(2), { topic: topic.events })
    if (found === undefined) throw new Error('not found')
    const { manifest, segment, row, raw } = found
    const object = { key: manifest.manifest.objects[segment.object]?.key ?? '' }
    const place = { manifest, object, start: segment.start, row }
    await cut({ store, keys }, [6], startMs + 9 * hourMs)
    await openLog({ store, signer, partitions, now: () => startMs }).integrate()
    const file = await proveRecord(store, place, { raw, isDisclosed: false })
    expect(verifyProof(file, { policy })).toMatchObject({
      ok: true,
      cosignatures: [{ name: 'witness.test/w1' }],
    })
    for (const key of keysOf({ store, keys, kept: '' }, 'log/cosigned/')) store.objects.delete(key)
    const bare = await proveRecord(store, place, { raw, isDisclosed: false })
    expect(verifyProof(bare, { verifierKey: signer.vkey }).ok).toBe(true)
    expect(verifyProof(bare, { policy })).toMatchObject({
      ok: false,
      reason: 'its checkpoint lacks cosignatures that the policy asks for',
    })
  })
})
