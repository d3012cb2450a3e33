import { randomBytes } from 'node:crypto'
import { topic } from '@muniment/schema'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openArchive } from '../src/archive.ts'
import type { CommittedManifest } from '../src/format/manifest.ts'
import { openLog } from '../src/log.ts'
import { createMemoryStore, type MemoryStore } from '../src/store/memory.ts'
import { verifyArchive } from '../src/verify.ts'
import { createCutWriter, type CutRecord } from '../src/writer.ts'
import { collect, event, eventId } from './events.ts'
import { createMemoryKeys } from './memory-keys.ts'
import { createNoteSigner } from './note-signer.ts'
import { now } from './small-archive.ts'

const signer = createNoteSigner('log.test/faults')
const place = { topic: topic.events, partition: 0 }

/** What one worker tries, and after how many writes it is killed. */
interface Attempt {
  readonly what: 'cut' | 'log'
  readonly size: number
  /** How much of an older view of the archive the worker still believes in. */
  readonly isStale: boolean
  readonly killAfter: number
  readonly isReplyLost: boolean
}

const attempt = fc.record<Attempt>({
  what: fc.constantFrom('cut', 'cut', 'log'),
  size: fc.integer({ min: 1, max: 5 }),
  isStale: fc.boolean(),
  killAfter: fc.integer({ min: 0, max: 8 }),
  isReplyLost: fc.boolean(),
})

/** A store that dies at a write: before it, or after it with the confirmation lost. */
function dyingStore(store: MemoryStore, { killAfter, isReplyLost }: Attempt): MemoryStore {
  let writes = 0
  return {
    ...store,
    async put(object) {
      writes += 1
      const isLast = writes > killAfter
      if (isLast && !isReplyLost) throw new Error('killed')
      const result = await store.put(object)
      if (isLast) throw new Error('killed')
      return result
    },
  }
}

/** The bus: every third event is there twice, as after a crash of the producer. */
function busRecords(count: number): readonly CutRecord[] {
  const seqs = Array.from({ length: count }, (_, seq) => (seq % 3 === 2 ? [seq, seq - 1] : [seq])).flat()
  return seqs.map((seq, offset) => ({
    offset,
    value: event({ seq, tenant: seq % 2 === 0 ? 'even' : 'odd' }),
    appendedMs: now(),
  }))
}

async function ids(store: MemoryStore, keys: ReturnType<typeof createMemoryKeys>): Promise<string[]> {
  const archive = openArchive({ store, keys })
  const found: string[] = []
  for await (const cut of archive.manifests(topic.events)) {
    for (const segment of cut.manifest.segments) {
      const reader = await archive.openSegment(cut, segment)
      const values = await Promise.all(reader.rowGroups.map((_, at) => reader.values('id', at)))
      found.push(...values.flat().map(String))
    }
  }
  return found
}

test('whatever stops or races, every event is archived once and the archive verifies', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(attempt, { minLength: 1, maxLength: 12 }), async attempts => {
      const store = createMemoryStore()
      const keys = createMemoryKeys()
      const bus = busRecords(40)
      let stale: CommittedManifest | undefined
      const cut = async (through: MemoryStore, size: number, isStale: boolean): Promise<void> => {
        const newest = await openArchive({ store, keys }).newest(place.topic, 0)
        const previous = isStale ? stale : newest
        stale = newest
        const first = previous?.manifest.next_offset ?? 0
        const records = bus.slice(first, first + size)
        if (records.length === 0) return
        const writer = createCutWriter({ store: through, keys, now, randomBytes })
        await writer.write({ ...place, records, nextOffset: first + records.length, previous })
      }
      for (const each of attempts) {
        const through = dyingStore(store, each)
        const log = openLog({ store: through, signer, partitions: [place], now })
        const work = each.what === 'log' ? log.integrate() : cut(through, each.size, each.isStale)
        await work.catch((error: unknown) => expect(String(error)).toContain('killed'))
      }
      while (
        ((await openArchive({ store, keys }).newest(place.topic, 0))?.manifest.next_offset ?? 0) < bus.length
      ) {
        await cut(store, 16, false)
      }
      await openLog({ store, signer, partitions: [place], now }).integrate()
      const report = await verifyArchive({ store, keys, verifierKey: signer.vkey })
      expect(report.problems).toEqual([])
      expect(report.anchored?.until).toEqual([{ ...place, next_offset: bus.length }])
      expect((await ids(store, keys)).toSorted()).toEqual(
        Array.from({ length: 40 }, (_, seq) => eventId(seq)),
      )
      expect(await collect(store.list('manifest/'))).toHaveLength(report.checked.manifests)
    }),
    { numRuns: 12 },
  )
}, 60_000)
