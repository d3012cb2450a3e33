import { createHash } from 'node:crypto'
import { topic } from '@muniment/schema'
import { describe, expect, test } from 'vitest'
import { isSignedBy, parseCheckpoint, parseVerifierKey } from '../src/format/checkpoint.ts'
import { leafHash, nodeHash, rootOf } from '../src/format/merkle.ts'
import { parseTileKey, tileKey, tilesBetween } from '../src/format/tiles.ts'
import { createTree } from '../src/format/tree.ts'
import { openLog, type LogOptions } from '../src/log.ts'
import type { MemoryStore } from '../src/store/memory.ts'
import { verifyArchive } from '../src/verify.ts'
import type { VerifyReport } from '../src/verify/report.ts'
import { event } from './events.ts'
import { createNoteSigner } from './note-signer.ts'
import { anotherArchive, copyStore, fill, now, setBytes, smallArchive, type Small } from './small-archive.ts'

const signer = createNoteSigner('log.test/small')
const verifierKey = signer.vkey
const partitions = [
  { topic: topic.events, partition: 0 },
  { topic: topic.alerts, partition: 0 },
]

function options(store: MemoryStore): LogOptions {
  return { store, signer, partitions, now }
}

async function anchored(): Promise<Small> {
  const small = await smallArchive()
  await openLog(options(small.store)).integrate()
  return small
}

function codes(report: VerifyReport): string[] {
  return [...new Set(report.problems.map(({ code }) => code))].toSorted()
}

describe('the Merkle tree', () => {
  // Test vectors of RFC 6962 implementations: the reference tree of Certificate Transparency.
  const leaves = [
    '',
    '00',
    '10',
    '2021',
    '3031',
    '40414243',
    '5051525354555657',
    '606162636465666768696a6b6c6d6e6f',
  ]
  const roots = [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ]

  test('has the roots of the reference implementation', () => {
    const tree = createTree()
    const hashes = leaves.map(leaf => leafHash(Buffer.from(leaf, 'hex')))
    expect(tree.rootAt(0).toString('hex')).toBe(createHash('sha256').digest('hex'))
    for (const [at, hash] of hashes.entries()) {
      tree.append(hash)
      expect(tree.rootAt(at + 1).toString('hex')).toBe(roots[at])
      expect(rootOf(Buffer.concat(hashes.slice(0, at + 1))).toString('hex')).toBe(roots[at])
    }
    expect(roots.map((_, at) => tree.rootAt(at + 1).toString('hex'))).toEqual(roots)
  })

  test.each([1, 2, 3, 7, 8, 9, 255, 256, 257, 700])('proves every leaf of a tree of %i', size => {
    const tree = createTree()
    const hashes = Array.from({ length: size }, (_, at) => leafHash(Buffer.from(String(at))))
    for (const hash of hashes) tree.append(hash)
    for (const [index, hash] of hashes.entries()) {
      const proof = tree.inclusionProof(index, size)
      expect(recompute(hash, { index, size }, proof)).toEqual(tree.rootAt(size))
    }
  })
})

/** RFC 9162 §2.1.3.2. */
function recompute(leaf: Buffer, at: { index: number; size: number }, proof: readonly Buffer[]): Buffer {
  let { index } = at
  let last = at.size - 1
  let hash = leaf
  for (const sibling of proof) {
    if (index % 2 === 1 || index === last) {
      hash = nodeHash(sibling, hash)
      while (index % 2 === 0 && index !== 0) {
        index /= 2
        last = Math.floor(last / 2)
      }
    } else hash = nodeHash(hash, sibling)
    index = Math.floor(index / 2)
    last = Math.floor(last / 2)
  }
  return hash
}

describe('tiles', () => {
  test.each([
    [{ level: 0, index: 1003, width: 256 }, 'log/tile/0/x001/003'],
    [{ level: 0, index: 0, width: 188 }, 'log/tile/0/000.p/188'],
    [{ level: 'entries', index: 1_234_067, width: 1 }, 'log/tile/entries/x001/x234/067.p/1'],
  ] as const)('%j has the key %s', (tile, key) => {
    expect(tileKey(tile)).toBe(key)
    expect(parseTileKey(key)).toEqual(tile)
  })

  test.each([
    'log/tile/0/0003',
    'log/tile/0/x000/003',
    'log/tile/0/000.p/0',
    'log/tile/0/000.p/300',
    'log/tile/00/000',
  ])('%s is not a key of a tile', key => expect(parseTileKey(key)).toBeUndefined())

  test('a log of 256 entries has a full tile and the first hash of the level above', () => {
    expect(tilesBetween(0, 256).map(tileKey)).toEqual([
      'log/tile/entries/000',
      'log/tile/0/000',
      'log/tile/1/000.p/1',
    ])
    expect(tilesBetween(255, 257).map(tileKey)).toEqual([
      'log/tile/entries/000',
      'log/tile/entries/001.p/1',
      'log/tile/0/000',
      'log/tile/0/001.p/1',
      'log/tile/1/000.p/1',
    ])
  })
})

describe('a checkpoint', () => {
  test('is read only in its one form', async () => {
    const { store } = await anchored()
    const bytes = (await store.checkpoint.read())?.bytes ?? Buffer.alloc(0)
    const note = bytes.toString()
    const verifier = parseVerifierKey(verifierKey)
    const checkpoint = parseCheckpoint(bytes)
    expect(checkpoint).toMatchObject({ origin: 'log.test/small', treeSize: 4 })
    expect(checkpoint && isSignedBy(checkpoint, [verifier])).toBe(true)
    const bad = [
      note.replace('\n4\n', '\n04\n'),
      note.replace('\n4\n', '\n+4\n'),
      note.replaceAll('\n', '\r\n'),
      note.slice(0, -1),
      note.replace('\n\n', '\n\n\n'),
      note.replace('\u2014', '-'),
      `\ufeff${note}`,
      note.replace('=\n\n', '\n\n'),
      note + note.slice(note.indexOf('\u2014')).replace('\n', '').repeat(1),
    ]
    for (const text of bad) expect(parseCheckpoint(Buffer.from(text))).toBeUndefined()
    const twice = parseCheckpoint(Buffer.from(note + note.slice(note.indexOf('\u2014'))))
    expect(twice && isSignedBy(twice, [verifier])).toBe(false)
    for (let at = 0; at < bytes.length; at++) {
      const altered = Buffer.from(bytes)
      altered[at] = (altered[at] ?? 0) ^ 1
      const parsed = parseCheckpoint(altered)
      expect({ at, signed: parsed !== undefined && isSignedBy(parsed, [verifier]) }).toEqual({
        at,
        signed: false,
      })
    }
  })

  test.each(['', 'a', 'a+00+AQ', `${verifierKey}A`, verifierKey.replace('log.test', 'log.tes')])(
    'is not checked with %j for a verifier key',
    key => expect(() => parseVerifierKey(key)).toThrow('not a verifier key'),
  )
})

describe('the log', () => {
  test('names every manifest and anchors the archive', async () => {
    const small = await smallArchive()
    const log = openLog(options(small.store))
    expect(await log.integrate()).toMatchObject({ treeSize: 4, added: 4 })
    expect(await log.integrate()).toMatchObject({ treeSize: 4, added: 0 })
    const report = await verifyArchive({ ...small, verifierKey })
    expect(report.problems).toEqual([])
    expect(report.anchored).toMatchObject({ origin: 'log.test/small', treeSize: 4, isSignatureChecked: true })
    expect(report.anchored?.until).toEqual([
      { topic: 'mcp.events', partition: 0, next_offset: 5 },
      { topic: 'mcp.alerts', partition: 0, next_offset: 1 },
    ])
  })

  test('goes on from the store alone, and says what is not anchored yet', async () => {
    const small = await anchored()
    const previous = await openNewest(small)
    await fill(small, [[event({ seq: 5 })]], { topic: topic.events, previous })
    const before = await verifyArchive({ ...small, verifierKey })
    expect(before.problems).toEqual([])
    expect(before.notes.map(({ code }) => code)).toContain('log.unanchored')
    expect(await openLog(options(small.store)).integrate()).toMatchObject({ treeSize: 5, added: 1 })
    const after = await verifyArchive({ ...small, verifierKey })
    expect(after.problems).toEqual([])
    expect(after.notes.map(({ code }) => code)).not.toContain('log.unanchored')
  })

  test('goes on under a new key of the same name', async () => {
    const small = await anchored()
    const successor = createNoteSigner('log.test/small', 9)
    const log = (formerKeys: readonly string[]): Promise<unknown> =>
      openLog({ ...options(small.store), signer: successor, formerKeys }).integrate()
    await expect(log([])).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED' })
    await fill(small, [[event({ seq: 5 })]], { topic: topic.events, previous: await openNewest(small) })
    expect(await log([verifierKey])).toMatchObject({ treeSize: 5 })
    const report = await verifyArchive({ ...small, verifierKey: [verifierKey, successor.vkey] })
    expect(report.problems).toEqual([])
    expect(codes(await verifyArchive({ ...small, verifierKey }))).toEqual(['log.checkpoint', 'log.key'])
  })

  test('converges where several processes integrate at once', async () => {
    const small = await smallArchive()
    const logs = Array.from({ length: 4 }, () => openLog(options(small.store)))
    let previous = await openNewest(small)
    for (let round = 0; round < 5; round++) {
      const writing = fill(small, [[event({ seq: 5 + round })]], { topic: topic.events, previous })
      await Promise.all(logs.map(log => log.integrate()))
      previous = (await writing) ?? previous
    }
    const heads = await Promise.all(logs.map(log => log.integrate()))
    expect(new Set(heads.map(({ root }) => root)).size).toBe(1)
    const report = await verifyArchive({ ...small, verifierKey })
    expect(report.problems).toEqual([])
    expect(report.anchored?.treeSize).toBe(9)
  })
})

async function openNewest(small: Small): Promise<Awaited<ReturnType<typeof fill>>> {
  const { openArchive } = await import('../src/archive.ts')
  return openArchive(small).newest(topic.events, 0)
}

test('a log with nothing to add says that it is there, as often as asked', async () => {
  const small = await smallArchive()
  let nowMs = now()
  const log = openLog({ ...options(small.store), now: () => nowMs, heartbeatMs: 60_000 })
  const sizes: number[] = []
  for (const stepMs of [0, 30_000, 30_000, 59_000, 1000, 600_000]) {
    nowMs += stepMs
    sizes.push((await log.integrate()).treeSize)
  }
  expect(sizes).toEqual([4, 4, 5, 5, 6, 7])
  expect(await openLog({ ...options(small.store), now: () => nowMs }).integrate()).toMatchObject({
    treeSize: 7,
  })
  const report = await verifyArchive({ ...small, verifierKey })
  expect(report.problems).toEqual([])
  expect(report.notes.map(({ code }) => code)).not.toContain('log.entries')
})

describe('attacks that only the log can show', () => {
  test.each([
    'manifest/v1/mcp.events/0/00000000000000000003.json',
    'manifest/v1/mcp.alerts/0/00000000000000000000.json',
  ])('the newest manifest %s removed', async key => {
    const small = await anchored()
    small.store.objects.delete(key)
    const report = await verifyArchive({ ...small, verifierKey })
    expect(report.problems).toMatchObject([{ code: 'log.manifest', object: key }])
  })

  test('any object of the log altered, emptied, removed or copied', async () => {
    const small = await anchored()
    const keys = [...small.store.objects.keys()].filter(key => key.startsWith('log/'))
    expect(keys.length).toBeGreaterThan(2)
    for (const key of keys) {
      const bytes = small.store.objects.get(key)?.[0]?.bytes ?? Buffer.alloc(0)
      const altered = Buffer.from(bytes)
      altered[bytes.length - 2] = (altered[bytes.length - 2] ?? 0) ^ 8
      const attacks: ((store: MemoryStore) => void)[] = [
        store => setBytes(store, key, altered),
        store => setBytes(store, key, Buffer.alloc(0)),
        store => store.objects.delete(key),
        store => setBytes(store, `${key}0`, bytes),
      ]
      for (const [attack, alter] of attacks.entries()) {
        const store = copyStore(small.store)
        alter(store)
        expect({ key, attack, ok: (await verifyArchive({ store, verifierKey })).ok }).toEqual({
          key,
          attack,
          ok: false,
        })
      }
    }
  })

  test('an old checkpoint, a foreign one, and one of another key', async () => {
    const small = await smallArchive()
    const log = openLog(options(small.store))
    await log.integrate()
    const old = (await small.store.checkpoint.read())?.bytes ?? Buffer.alloc(0)
    let previous = await openNewest(small)
    for (const seq of [5, 6]) {
      previous = await fill(small, [[event({ seq })]], { topic: topic.events, previous })
      await log.integrate()
    }
    const serve = async (bytes: Buffer | undefined): Promise<VerifyReport> => {
      const checkpoint = {
        ...small.store.checkpoint,
        read: () => Promise.resolve(bytes && { bytes, tag: '' }),
      }
      return verifyArchive({ store: { ...small.store, checkpoint }, verifierKey })
    }
    expect(codes(await serve(old))).toEqual(['log.checkpoint'])
    expect(codes(await serve(undefined))).toEqual(['log.checkpoint'])
    expect(codes(await serve(Buffer.from('hello\n')))).toContain('log.checkpoint')
    expect(codes(await serve(await foreignCheckpoint()))).toContain('log.key')
  })

  test('a log cut back, or forked, since a checkpoint that somebody kept', async () => {
    const small = await smallArchive()
    const before = copyStore(small.store)
    const { checkpoint: kept = '' } = await openLog(options(small.store)).integrate()
    expect((await verifyArchive({ ...small, verifierKey, remembered: [kept] })).problems).toEqual([])
    const cutBack = await verifyArchive({ store: before, verifierKey, remembered: [kept] })
    expect(codes(cutBack)).toContain('log.fork')
    // Another archive under the same key of the log: what whoever holds that key could serve.
    const forked = await anotherArchive()
    await openLog(options(forked.store)).integrate()
    const report = await verifyArchive({ ...forked, verifierKey, remembered: [kept] })
    expect(codes(report)).toEqual(['log.fork'])
  })
})

/** A checkpoint of the same log name, signed by somebody else. */
async function foreignCheckpoint(): Promise<Buffer> {
  const { store } = await smallArchive()
  const other = createNoteSigner('log.test/small', 8)
  const { checkpoint = '' } = await openLog({ ...options(store), signer: other }).integrate()
  return Buffer.from(checkpoint)
}
