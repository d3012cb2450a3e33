import { topic } from '@muniment/schema'
import { describe, expect, test } from 'vitest'
import { openArchive } from '../src/archive.ts'
import { openLog, type LogOptions } from '../src/log.ts'
import type { MemoryStore } from '../src/store/memory.ts'
import type { NewObject } from '../src/store/store.ts'
import { verifyArchive } from '../src/verify.ts'
import { createNoteSigner } from './note-signer.ts'
import { fill, now, smallArchive } from './small-archive.ts'

const signer = createNoteSigner('log.test/grown')
const verifierKey = signer.vkey
const partitions = [
  { topic: topic.events, partition: 0 },
  { topic: topic.alerts, partition: 0 },
]

function options(store: MemoryStore): LogOptions {
  return { store, signer, partitions, now }
}

describe('the log', () => {
  test('grows over the edges of tiles and stays whole', async () => {
    const small = await smallArchive()
    const log = openLog(options(small.store))
    let previous = await openArchive(small).newest(topic.events, 0)
    for (const cuts of [249, 2, 1, 1, 1, 5]) {
      const values = Array.from({ length: cuts }, (): Buffer[] => [Buffer.from('{}')])
      previous = (await fill(small, values, { topic: topic.events, previous })) ?? previous
      await log.integrate()
    }
    const report = await verifyArchive({ store: small.store, verifierKey })
    expect(report.problems).toEqual([])
    expect(report.anchored?.treeSize).toBe(263)
    expect(await openLog(options(small.store)).integrate()).toMatchObject({ treeSize: 263, added: 0 })
  }, 30_000)

  test('survives a stop before any of its writes', async () => {
    for (let stopAt = 0; stopAt < 8; stopAt++) {
      const small = await smallArchive()
      let writes = 0
      const dying: MemoryStore = {
        ...small.store,
        put: (object: NewObject) =>
          writes++ === stopAt ? Promise.reject(new Error('killed')) : small.store.put(object),
      }
      await openLog(options(dying))
        .integrate()
        .catch(() => undefined)
      expect((await verifyArchive({ ...small, verifierKey })).problems).toEqual([])
      expect(await openLog(options(small.store)).integrate()).toMatchObject({ treeSize: 4 })
      expect((await verifyArchive({ ...small, verifierKey })).problems).toEqual([])
    }
  })
})
