import { topic } from '@muniment/schema'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { manifestBytes, type Manifest } from '../src/format/manifest.ts'
import { manifestKey } from '../src/format/paths.ts'
import { openArchive } from '../src/index.ts'
import { createMemoryStore, type MemoryStore } from '../src/store/memory.ts'
import { event } from './events.ts'
import { createMemoryKeys } from './memory-keys.ts'
import { fill, setBytes } from './small-archive.ts'

const keys = createMemoryKeys()

/** A manifest that others are made from by moving it. */
async function anyManifest(): Promise<Manifest> {
  const written = await fill({ store: createMemoryStore(), keys }, [[event({ seq: 0 })]], {
    topic: topic.events,
  })
  if (written === undefined) throw new Error('nothing was written')
  return written.manifest
}

const pattern = await anyManifest()

/** A store whose manifests stand at these offsets, and beside them those of the next partition. */
function storeWith(offsets: readonly number[]): MemoryStore {
  const store = createMemoryStore()
  for (const [partition, places] of [offsets, [7, 1_000_000]].entries())
    for (const first of places) {
      const moved = { ...pattern, partition, first_offset: first, next_offset: first + 1 }
      setBytes(store, manifestKey(topic.events, partition, first), manifestBytes(moved))
    }
  return store
}

/** The position found, and how many listings were begun for it. */
async function newestIn(store: MemoryStore): Promise<{ first: number | undefined; listings: number }> {
  let listings = 0
  const counted: MemoryStore = {
    ...store,
    list(prefix, options) {
      listings += 1
      return store.list(prefix, options)
    },
  }
  const found = await openArchive({ store: counted, keys }).newest(topic.events, 0)
  return { first: found?.manifest.first_offset, listings }
}

test('the newest manifest is found wherever manifests stand', async () => {
  const gaps = fc.array(fc.oneof(fc.nat(3), fc.nat(20_000)), { maxLength: 2500, size: 'max' })
  await fc.assert(
    fc.asyncProperty(gaps, async all => {
      let at = -1
      const offsets = all.map(gap => (at += gap + 1))
      expect((await newestIn(storeWith(offsets))).first).toBe(offsets.at(-1))
    }),
    { numRuns: 60 },
  )
})

test.each([
  [0, 1, 1],
  [1, 1, 1],
  [999, 1, 1],
  [1000, 1, 12],
  [10_000, 1, 8],
  [10_000, 20_000, 8],
  [100_000, 5, 16],
])('of %i manifests, %i offsets each, in at most %i listings', async (count, width, most) => {
  const offsets = Array.from({ length: count }, (_, at) => at * width)
  const { first, listings } = await newestIn(storeWith(offsets))
  expect(first).toBe(offsets.at(-1))
  expect(listings).toBeLessThanOrEqual(most)
})
