import type { ArchiveStore } from '@muniment/archive'

/** What reading cost. */
export interface Costs {
  requests: number
  bytes: number
}

/** A store that adds up what is read through it. */
export function countedStore(store: ArchiveStore, costs: Costs): ArchiveStore {
  return {
    checkpoint: store.checkpoint,
    put: object => store.put(object),
    head: (key, version) => store.head(key, version),
    list: (prefix, options) => store.list(prefix, options),
    async get(key, options) {
      const bytes = await store.get(key, options)
      costs.requests += 1
      costs.bytes += bytes?.length ?? 0
      return bytes
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
