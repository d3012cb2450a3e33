import { setImmediate as nextTurn } from 'node:timers/promises'
import { topic } from '@muniment/schema'
import { expect, test } from 'vitest'
import { openLog } from '../src/log.ts'
import { createMemoryStore, type MemoryStore } from '../src/store/memory.ts'
import { verifyArchive } from '../src/verify.ts'
import { event } from './events.ts'
import { createMemoryKeys } from './memory-keys.ts'
import { createNoteSigner } from './note-signer.ts'
import { fill, now } from './small-archive.ts'

/** A listing that takes its time, key by key: what is written meanwhile is seen or not, depending on its name. */
function slowListing(store: MemoryStore): MemoryStore {
  return {
    ...store,
    async *list(prefix, options = {}) {
      for (let last = options.after ?? ''; ;) {
        const next = await store.list(prefix, { after: last })[Symbol.asyncIterator]().next()
        if (next.done === true) return
        last = next.value.key
        for await (const info of store.list(last)) if (info.key === last) yield info
        await nextTurn()
      }
    },
  }
}

test('verification of an archive in use raises no alarm', async () => {
  const store = createMemoryStore()
  const keys = createMemoryKeys()
  const signer = createNoteSigner('log.test/live')
  const place = { topic: topic.events, partition: 0 }
  const slow = slowListing(store)
  const write = async (): Promise<void> => {
    const log = openLog({ store, signer, partitions: [place], now })
    let previous
    for (let seq = 0; seq < 40; seq++) {
      const tenant = seq % 5 === 0 ? 'other' : 'acme'
      previous = await fill({ store, keys }, [[event({ seq, tenant })]], { ...place, previous })
      if (seq % 2 === 0) await log.integrate()
    }
  }
  const writing = write()
  for (let round = 0; round < 8; round++) {
    const report = await verifyArchive({ store: slow, keys, verifierKey: signer.vkey })
    expect(report.problems).toEqual([])
  }
  await writing
}, 30_000)
