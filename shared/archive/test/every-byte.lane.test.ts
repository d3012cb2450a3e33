import { topic } from '@muniment/schema'
import { expect, test } from 'vitest'
import { openLog } from '../src/log.ts'
import { createMemoryStore, type MemoryStore } from '../src/store/memory.ts'
import { verifyArchive } from '../src/verify.ts'
import { event } from './events.ts'
import { createMemoryKeys } from './memory-keys.ts'
import { createNoteSigner } from './note-signer.ts'
import { bytesOf, copyStore, fill, isNewestManifest, now, setBytes, smallArchive } from './small-archive.ts'

const signer = createNoteSigner('log.test/every-byte')
const checkpoint = 'log/checkpoint'

/** Two cuts, the first of two tenants, that the log anchors as a whole: at least one object of each kind, and each byte costs a verification. */
async function anchored(): Promise<MemoryStore> {
  const store = createMemoryStore()
  const cuts = [[event({ seq: 0 }), event({ seq: 1, tenant: 'other' })], [event({ seq: 2 })]]
  await fill({ store, keys: createMemoryKeys() }, cuts, { topic: topic.events })
  const partitions = [{ topic: topic.events, partition: 0 }]
  await openLog({ store, signer, partitions, now }).integrate()
  return store
}

/** The bytes that an auditor reads under this name. */
async function read(store: MemoryStore, key: string): Promise<Buffer> {
  return key === checkpoint
    ? ((await store.checkpoint.read())?.bytes ?? Buffer.alloc(0))
    : bytesOf(store, key)
}

function withBytes(original: MemoryStore, key: string, bytes: Buffer): MemoryStore {
  const store = copyStore(original)
  if (key !== checkpoint) {
    setBytes(store, key, bytes)
    return store
  }
  return { ...store, checkpoint: { ...original.checkpoint, read: () => Promise.resolve({ bytes, tag: '' }) } }
}

function flip(bytes: Buffer, at: number): Buffer {
  const altered = Buffer.from(bytes)
  altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8))
  return altered
}

test('every flipped byte of every object is found, and the object named', async () => {
  const store = await anchored()
  expect((await verifyArchive({ store, verifierKey: signer.vkey })).problems).toEqual([])
  const unnamed: string[] = []
  let flips = 0
  for (const key of [...store.objects.keys(), checkpoint]) {
    const bytes = await read(store, key)
    for (let at = 0; at < bytes.length; at++) {
      const altered = withBytes(store, key, flip(bytes, at))
      const { ok, problems } = await verifyArchive({ store: altered, verifierKey: signer.vkey })
      if (ok || !problems.some(({ object }) => object === key)) unnamed.push(`${key} at ${at}`)
      flips += 1
    }
  }
  expect(unnamed).toEqual([])
  expect(flips).toBeGreaterThan(5000)
}, 600_000)

test('without the log, all are found but those of a newest manifest', async () => {
  const small = await smallArchive()
  for (const [key, [version]] of small.store.objects) {
    const step = key.endsWith('.json') ? 13 : 97
    const bytes = version?.bytes ?? Buffer.alloc(0)
    for (let at = 0; at < bytes.length; at += step) {
      const altered = Buffer.from(bytes)
      altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8))
      const store = copyStore(small.store)
      setBytes(store, key, altered)
      const report = await verifyArchive({ store })
      const named = report.problems.some(({ object }) => object === key)
      // A manifest's bytes are held by the next one, those of the newest by the log alone.
      expect({ key, at, found: named || key.startsWith('manifest/') }).toEqual({ key, at, found: true })
      expect(report.ok && !isNewestManifest(small.store, key)).toBe(false)
    }
  }
})
