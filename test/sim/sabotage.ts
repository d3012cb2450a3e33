// Ways to break a promise that the product relies on, to see that the simulation notices. Each bends a simulated port, never
// the product.
import type { ArchiveStore } from '@muniment/archive'
import type { Bus, OutgoingRecord } from '@muniment/bus'
import { topic } from '@muniment/schema'

/** `none`: nothing is sabotaged. */
export const sabotages = ['none', 'watermark', 'if-none-match', 'commit-order'] as const

export type Sabotage = (typeof sabotages)[number]

/** An event that is published again looks like one of another lane, so that nobody's watermark applies to it. */
function withoutWatermark(record: OutgoingRecord, seen: Set<string>): OutgoingRecord {
  const name = `${record.headers['mun_lane']}:${record.headers['mun_seq']}`
  if (!seen.has(name)) {
    seen.add(name)
    return record
  }
  const epoch = seen.size
  const text = Buffer.from(record.value)
    .toString()
    .replace(/"epoch":\d+/u, `"epoch":${epoch}`)
  const lane = `${record.headers['mun_lane']?.split('/')[0]}/${epoch}`
  return { ...record, value: Buffer.from(text), headers: { ...record.headers, mun_lane: lane } }
}

/** The bus under sabotage; `published` is shared by all processes. */
export function sabotagedBus(bus: Bus, sabotage: Sabotage, published: Set<string>): Bus {
  if (sabotage === 'watermark')
    return {
      ...bus,
      publish: (name, records) =>
        bus.publish(
          name,
          name === topic.events ? records.map(record => withoutWatermark(record, published)) : records,
        ),
    }
  if (sabotage !== 'commit-order') return bus
  return {
    ...bus,
    consume: options => {
      const consumer = bus.consume({
        ...options,
        onBatch: async (batch, signal) => {
          await consumer.commit([{ ...batch, offset: batch.nextOffset }]).catch(() => undefined)
          await options.onBatch(batch, signal)
        },
      })
      return consumer
    },
  }
}

/** A store that puts a manifest in the place of another, as one without conditional writes would. */
export function sabotagedStore(store: ArchiveStore, sabotage: Sabotage): ArchiveStore {
  if (sabotage !== 'if-none-match') return store
  const replaced = new Map<string, Buffer>()
  return {
    ...store,
    put: async object => {
      const result = await store.put(object)
      if (result.kind !== 'taken' || !object.key.startsWith('manifest/')) return result
      replaced.set(object.key, Buffer.from(object.bytes))
      return { kind: 'stored', version: '0' }
    },
    get: async (key, options) => replaced.get(key) ?? (await store.get(key, options)),
    head: async (key, version) => {
      const found = await store.head(key, version)
      const bytes = replaced.get(key)
      return found && bytes ? { ...found, sizeBytes: bytes.length } : found
    },
    list: async function* list(prefix, options) {
      for await (const info of store.list(prefix, options)) {
        const bytes = replaced.get(info.key)
        yield bytes ? { ...info, sizeBytes: bytes.length } : info
      }
    },
  }
}
