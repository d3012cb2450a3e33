import { randomBytes } from 'node:crypto'
import { topic } from '@muniment/schema'
import { beforeAll, describe, expect, test } from 'vitest'
import { openArchive } from '../src/archive.ts'
import { manifestBytes, parseManifest, type CommittedManifest } from '../src/format/manifest.ts'
import { openLog } from '../src/log.ts'
import { dayMs, longestRetentionDays, retentionOf, retentionSectionSchema } from '../src/retention.ts'
import { createMemoryStore, type MemoryStore } from '../src/store/memory.ts'
import type { NewObject } from '../src/store/store.ts'
import { verifyArchive } from '../src/verify.ts'
import type { VerifyReport } from '../src/verify/report.ts'
import { createCutWriter } from '../src/writer.ts'
import { event, eventId } from './events.ts'
import { createMemoryKeys, type MemoryKeys } from './memory-keys.ts'
import { createNoteSigner } from './note-signer.ts'
import { bytesOf, copyStore, setBytes } from './small-archive.ts'

const signer = createNoteSigner('log.test/retention')
const retentionClasses = retentionSectionSchema.parse([
  { name: 'trial', tenant: 'trial-*', kind: 'events', days: 10 },
  { name: 'long', tenant: 'other', days: 3650 },
])
const options = { retentionDays: 100, retentionClasses }

test.each([
  ['events', 'trial-7', 'trial', 10],
  ['alerts', 'trial-7', 'default', 100],
  ['events', 'trial', 'default', 100],
  ['alerts', 'other', 'long', 3650],
  ['events', 'others', 'default', 100],
] as const)('%s of %s are of class %s', (...[kind, tenant, name, days]) => {
  expect(retentionOf(options, { topic: topic[kind], tenant })).toMatchObject({ name, days })
  // Nothing is locked where nothing can be.
  expect(retentionOf({ retentionClasses }, { topic: topic[kind], tenant })).toEqual({ name: 'default' })
})

test('the log and manifests are kept as long as anything that they describe', () => {
  expect(longestRetentionDays(options)).toBe(3650)
  expect(longestRetentionDays({ retentionClasses })).toBeUndefined()
})

test.each([
  { name: 'default', days: 1 },
  { name: 'a/b', days: 1 },
  { name: 'a', days: 0 },
  { name: 'a', days: 1, tenant: '*x' },
  { name: 'a', days: 1, kind: 'raw' },
  { name: 'a', days: 1, until: 2 },
])('%j is no class', value => {
  expect(retentionSectionSchema.safeParse([value]).success).toBe(false)
})

interface World {
  readonly store: MemoryStore
  readonly keys: MemoryKeys
  readonly locks: Map<string, Date | undefined>
  readonly written: CommittedManifest
}

/** A cut that was sealed 40 days ago: what was to be kept for 10 days may be gone by now. */
const sealedMs = Date.now() - 40 * dayMs

async function createWorld(): Promise<World> {
  const [store, keys] = [createMemoryStore(), createMemoryKeys()]
  const locks = new Map<string, Date | undefined>()
  const watched = {
    ...store,
    put(object: NewObject) {
      locks.set(object.key, object.retainUntil)
      return store.put(object)
    },
  }
  const text = randomBytes(300_000).toString('base64')
  const values = [
    event({ seq: 0 }),
    event({ seq: 1, tenant: 'trial-1' }),
    event({ seq: 2, tenant: 'trial-2', text }),
    event({ seq: 3, tenant: 'other' }),
  ]
  const records = values.map((value, offset) => ({ offset, value, appendedMs: sealedMs }))
  const writer = createCutWriter({ store: watched, keys, now: () => sealedMs, randomBytes, ...options })
  const cut = { topic: topic.events, partition: 0, records, nextOffset: 4, previous: undefined }
  const { manifest } = await writer.write(cut)
  const partitions = [{ topic: topic.events, partition: 0 }]
  await openLog({ store, signer, partitions, now: () => sealedMs }).integrate()
  return { store, keys, locks, written: manifest }
}

function verify({ store, keys }: Pick<World, 'store' | 'keys'>): Promise<VerifyReport> {
  return verifyArchive({ store, keys, verifierKey: signer.vkey })
}

let world: World
beforeAll(async () => {
  world = await createWorld()
})

/** The same archive without the objects whose keys match. */
function without(pattern: RegExp): MemoryStore {
  const store = copyStore(world.store)
  for (const key of store.objects.keys()) if (pattern.test(key)) store.objects.delete(key)
  return store
}

describe('what is kept for different times', () => {
  test('lies in different objects, each locked for its time, and so does the manifest for the longest', () => {
    const days = [...world.locks]
      .filter(([key]) => /^(bundle|manifest)/u.test(key) && !key.endsWith('.tree'))
      .map(([key, until]) => [key.split('/')[2], ((until?.getTime() ?? 0) - sealedMs) / dayMs])
    expect(Object.fromEntries(days)).toEqual({ default: 100, trial: 10, long: 3650, 'mcp.events': 3650 })
    const { objects, bodies = [] } = world.written.manifest
    for (const { key, retain_until_ms: untilMs } of [
      ...objects,
      ...objects.map(({ tree }) => tree),
      ...bodies,
    ])
      expect(untilMs).toBe(world.locks.get(key)?.getTime())
    const [body] = bodies
    const bodyDays = ((body?.retain_until_ms ?? 0) - sealedMs) / dayMs
    expect(bodyDays).toBeGreaterThanOrEqual(10)
    expect(bodyDays).toBeLessThan(11)
  })

  test('may be gone after its time: verification says so, and what is left still verifies', async () => {
    const store = without(/\/trial\/|t=trial/u)
    const report = await verify({ store, keys: world.keys })
    expect(report.problems).toEqual([])
    const expired = report.notes.filter(({ code }) => code === 'object.expired')
    expect(
      expired.map(({ object }) => object.split('/')[0] ?? '').toSorted((a, b) => (a < b ? -1 : 1)),
    ).toEqual(['body', 'bundle', 'bundle'])
    expect(report.covered[0]?.tenants.map(({ tenant }) => tenant)).toContain('trial-1')
    const archive = openArchive({ store, keys: world.keys })
    expect(await archive.find(eventId(1), { topic: topic.events })).toBeUndefined()
    expect((await archive.find(eventId(3), { topic: topic.events }))?.segment.tenant).toBe('other')
  })

  test('leaves its leaf hashes, which are still checked', async () => {
    const store = without(/\/trial\/.*\d$|t=trial/u)
    const tree = [...store.objects.keys()].find(key => /\/trial\/.*\.tree$/u.test(key)) ?? ''
    expect((await verify({ store, keys: world.keys })).problems).toEqual([])
    const bytes = bytesOf(store, tree)
    setBytes(store, tree, Buffer.from(bytes.with(5, (bytes[5] ?? 0) ^ 1)))
    const { problems } = await verify({ store, keys: world.keys })
    expect(problems.map(({ object }) => object)).toContain(tree)
  })

  test.each(['default', 'long'])('is lost where it is gone before its time: class %s', async name => {
    const store = without(new RegExp(`/${name}/`, 'u'))
    const { problems } = await verify({ store, keys: world.keys })
    expect(problems.map(({ code }) => code)).toEqual(['object.missing', 'object.missing'])
  })

  test('cannot be said to have been kept shorter afterwards', async () => {
    const store = without(/\/long\//u)
    const { key } = world.written
    const manifest = parseManifest(key, bytesOf(store, key))
    const past = sealedMs + 1
    const objects = manifest.objects.map(({ tree, ...object }) => ({
      ...object,
      retain_until_ms: past,
      tree: { ...tree, retain_until_ms: past },
    }))
    setBytes(store, key, manifestBytes({ ...manifest, objects }))
    const { problems } = await verify({ store, keys: world.keys })
    expect(problems.map(({ code }) => code)).toContain('log.manifest')
  })

  test('is not expired because somebody altered it instead of removing it', async () => {
    const store = copyStore(world.store)
    const data = [...store.objects.keys()].find(key => /\/trial\/.*\d$/u.test(key)) ?? ''
    setBytes(store, data, Buffer.alloc(0))
    const { problems } = await verify({ store, keys: world.keys })
    expect(problems.map(({ code }) => code)).toContain('object.altered')
  })
})
