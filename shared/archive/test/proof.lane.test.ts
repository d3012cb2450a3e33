import { createHash } from 'node:crypto'
import { topic } from '@muniment/schema'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { openArchive } from '../src/archive.ts'
import { leafHash } from '../src/format/merkle.ts'
import { isConsistent, rootFromInclusion } from '../src/format/proofs.ts'
import { formatTlogProof, parseTlogProof } from '../src/format/tlog-proof.ts'
import { createTree, type MerkleTree } from '../src/format/tree.ts'
import { openLog } from '../src/log.ts'
import { proveLane, proveRecord, type RecordPlace } from '../src/proof/prove.ts'
import { verifyProof } from '../src/proof/verify.ts'
import { event, eventId } from './events.ts'
import { createNoteSigner } from './note-signer.ts'
import { fill, now, smallArchive, type Small } from './small-archive.ts'

function treeOf(size: number): MerkleTree {
  const tree = createTree()
  for (let at = 0; at < size; at++) tree.append(leafHash(Buffer.from(String(at))))
  return tree
}

const other = createHash('sha256').update('other').digest()

/** The path with one hash changed, left out, or put in, at every place, and with neighbours swapped. */
function spoiled(path: readonly Buffer[]): readonly (readonly Buffer[])[] {
  const places = path.map((_, at) => at)
  return [
    ...places.map(at => path.with(at, other)),
    ...places.map(at => path.toSpliced(at, 1)),
    ...[...places, path.length].map(at => path.toSpliced(at, 0, other)),
    ...places.slice(1).map(at => path.toSpliced(at - 1, 2, path[at] ?? other, path[at - 1] ?? other)),
  ]
}

describe('an inclusion proof', () => {
  test('gives the root for its own leaf, place and size, and for nothing else', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(), (size, seed) => {
        const tree = treeOf(size)
        const index = seed % size
        const leaf = leafHash(Buffer.from(String(index)))
        const root = tree.rootAt(size)
        const path = tree.inclusionProof(index, size)
        const holds = (from: Buffer, at: { index: number; size: number }, way: readonly Buffer[]): boolean =>
          rootFromInclusion(from, at, way)?.equals(root) === true
        expect(holds(leaf, { index, size }, path)).toBe(true)
        expect(holds(other, { index, size }, path)).toBe(false)
        for (const wrong of [index - 1, index + 1, size, -1]) {
          expect(holds(leaf, { index: wrong, size }, path)).toBe(false)
        }
        for (const way of spoiled(path)) expect(holds(leaf, { index, size }, way)).toBe(false)
      }),
      { numRuns: 60 },
    )
  })
})

describe('a consistency proof', () => {
  test('holds for every pair of sizes up to 40, and for no other root, size or path', () => {
    const tree = treeOf(40)
    const head = (treeSize: number): { treeSize: number; root: Buffer } => ({
      treeSize,
      root: tree.rootAt(treeSize),
    })
    for (let newer = 1; newer <= 40; newer++) {
      for (let older = 0; older <= newer; older++) {
        const path = tree.consistencyProof(older, newer)
        expect(isConsistent(head(older), head(newer), path)).toBe(true)
        for (const way of spoiled(path)) expect(isConsistent(head(older), head(newer), way)).toBe(false)
        if (older === 0) continue
        expect(isConsistent({ treeSize: older, root: other }, head(newer), path)).toBe(false)
        expect(isConsistent(head(older), { treeSize: newer, root: other }, path)).toBe(false)
      }
    }
    expect(isConsistent(head(5), head(4), [])).toBe(false)
    expect(isConsistent(head(4), head(5), [])).toBe(false)
  })
})

const signer = createNoteSigner('log.test/small')
const verifierKey = signer.vkey

interface Proven {
  readonly small: Small
  readonly place: RecordPlace
  readonly raw: Buffer
}

async function proven(): Promise<Proven> {
  const small = await smallArchive()
  const partitions = [topic.events, topic.alerts].map(name => ({ topic: name, partition: 0 }))
  await openLog({ store: small.store, signer, partitions, now }).integrate()
  const found = await openArchive(small).find(eventId(4), { topic: topic.events })
  if (found === undefined) throw new Error('not found')
  const { manifest, segment, row, raw } = found
  const key = manifest.manifest.objects[segment.object]?.key ?? ''
  return { small, raw, place: { manifest, object: { key }, start: segment.start, row } }
}

describe('a proof of a record', () => {
  let world: Proven
  let file: Buffer
  beforeAll(async () => {
    world = await proven()
    file = await proveRecord(world.small.store, world.place, { raw: world.raw, isDisclosed: false })
  })

  test('holds by itself, and says where the record stands', () => {
    expect(verifyProof(file, { verifierKey })).toMatchObject({
      ok: true,
      log: { origin: 'log.test/small', treeSize: 4 },
      cuts: [{ topic: 'mcp.events', partition: 0, first_offset: 3, next_offset: 5 }],
      record: { tenant: 'acme', row: 1, rows: 2, leaf: leafHash(world.raw).toString('hex'), raw: undefined },
    })
  })

  test('says nothing of the record, which may be shown later', () => {
    const { extra } = parseTlogProof(file) ?? {}
    expect(extra?.toString()).not.toContain('lunch')
    expect(verifyProof(file, { verifierKey, record: world.raw })).toMatchObject({
      record: { raw: world.raw },
    })
    expect(verifyProof(file, { verifierKey, record: event({ seq: 3 }) })).toEqual({
      ok: false,
      reason: 'the record given is not the one that is proven',
    })
  })

  test('carries the record where it is disclosed', async () => {
    const { small, place, raw } = world
    const disclosed = await proveRecord(small.store, place, { raw, isDisclosed: true })
    expect(verifyProof(disclosed, { verifierKey })).toMatchObject({ ok: true, record: { raw } })
  })

  test('is refused where any of its bytes is another', () => {
    const step = 7
    for (let at = 0; at < file.length; at += step) {
      const altered = Buffer.from(file)
      altered[at] = (altered[at] ?? 0) ^ (1 << (at % 7))
      expect({ at, ok: verifyProof(altered, { verifierKey }).ok }).toEqual({ at, ok: false })
    }
  })

  test.each([
    ['without its last line', (text: string) => text.slice(0, -1)],
    ['with Windows line ends', (text: string) => text.replaceAll('\n', '\r\n')],
    ['with a wrong header', (text: string) => text.replace('@v1', '@v2')],
    ['with a sign before its index', (text: string) => text.replace('index ', 'index +')],
    ['with a zero before its index', (text: string) => text.replace('index ', 'index 0')],
    ['without an index', (text: string) => text.replace(/index .*\n/u, '')],
    ['with unpadded base64', (text: string) => text.replace(/=\n/u, '\n')],
    ['with a second extra line', (text: string) => text.replace(/(extra .*\n)/u, '$1$1')],
    ['without saying what it proves', (text: string) => text.replace(/extra .*\n/u, '')],
    ['of nothing', () => ''],
  ])('is refused %s', (_, spoil) => {
    const text = spoil(file.toString())
    expect(verifyProof(Buffer.from(text), { verifierKey }).ok).toBe(false)
  })

  test('is refused with a wrong size, swapped siblings, extra or missing nodes, another index', () => {
    const proof = parseTlogProof(file)
    if (proof === undefined) throw new Error('not a proof')
    const forged = [
      ...spoiled(proof.path).map(path => ({ ...proof, path })),
      ...[0, 1, 3, 4].filter(index => index !== proof.index).map(index => ({ ...proof, index })),
    ]
    for (const each of forged)
      expect(verifyProof(formatTlogProof(each), { verifierKey })).toMatchObject({ ok: false })
  })

  test('is refused where it claims another row, segment or leaf of the same manifest', () => {
    const proof = parseTlogProof(file)
    const statement: object = JSON.parse(proof?.extra?.toString() ?? '{}')
    const changes = [
      { row: 0 },
      { segment: 1 },
      { segment: 7 },
      { leaf: other.toString('hex') },
      { path: [] },
      { v: 2 },
    ]
    for (const change of changes) {
      const extra = Buffer.from(JSON.stringify({ ...statement, ...change }))
      const forged = proof && formatTlogProof({ ...proof, extra })
      expect(verifyProof(forged ?? file, { verifierKey }).ok).toBe(false)
    }
  })

  test('holds under the key of its own log only, and is not checked under none', () => {
    const stranger = createNoteSigner('log.test/small', 8).vkey
    expect(verifyProof(file, { verifierKey: stranger })).toEqual({
      ok: false,
      reason: 'its checkpoint is not signed by a key of the log that is trusted',
    })
    expect(() => verifyProof(file, {})).toThrow('none was given')
  })

  test('is not made before the log has the manifest', async () => {
    const { small, place, raw } = world
    const later = {
      ...small.store,
      checkpoint: { ...small.store.checkpoint, read: () => Promise.resolve(undefined) },
    }
    await expect(proveRecord(later, place, { raw, isDisclosed: false })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  test('is not made of a record that is not there', async () => {
    const { small, place } = world
    const raw = event({ seq: 3 })
    await expect(proveRecord(small.store, place, { raw, isDisclosed: false })).rejects.toMatchObject({
      code: 'ARCHIVE_DAMAGED',
    })
  })
})

describe('a proof that a lane has no gap', () => {
  const lane = 'server-1/0'
  const range = (from: number, to: number): { topic: string; lane: string; from: number; to: number } => ({
    topic: topic.events,
    lane,
    from,
    to,
  })

  test('holds for every range that the archive has, over as many cuts as it takes', async () => {
    const { small } = await proven()
    for (const [from, to, cuts] of [
      [0, 4, 3],
      [1, 2, 2],
      [4, 4, 1],
    ] as const) {
      const proof = await proveLane(small.store, range(from, to))
      if (!proof.isComplete) throw new Error('lacks numbers')
      const report = verifyProof(proof.file, { verifierKey })
      expect(report).toMatchObject({ ok: true, lane: { lane, from, to } })
      expect(report.ok && report.cuts.length).toBe(cuts)
    }
  })

  test('is not made where a number is missing, which is named', async () => {
    const small = await smallArchive()
    const previous = await openArchive(small).newest(topic.events, 0)
    await fill(small, [[event({ seq: 7 })]], { topic: topic.events, previous })
    expect(await proveLane(small.store, range(3, 9))).toEqual({
      isComplete: false,
      lacking: [
        [5, 6],
        [8, 9],
      ],
    })
  })

  test('is refused where it claims more, another lane, or leaves a manifest out', async () => {
    const { small } = await proven()
    const made = await proveLane(small.store, range(0, 4))
    const proof = made.isComplete ? parseTlogProof(made.file) : undefined
    const statement: { cuts: readonly object[] } = JSON.parse(proof?.extra?.toString() ?? '{}')
    const { cuts } = statement
    const changes = [
      { to: 5 },
      { lane: 'server-2/0' },
      { cuts: cuts.slice(1) },
      { cuts: cuts.slice(0, -1) },
      { from: 3, to: 1 },
      { cuts: [...cuts.slice(0, -1), { ...cuts.at(-1), index: 0 }] },
    ]
    for (const change of changes) {
      const extra = Buffer.from(JSON.stringify({ ...statement, ...change }))
      const forged = proof && formatTlogProof({ ...proof, extra })
      expect(forged && verifyProof(forged, { verifierKey }).ok).toBe(false)
    }
  })
})
