/** A map that holds no more than it may: what was not set or got for long is forgotten. */
export interface BoundedMap<V> {
  readonly get: (key: string) => V | undefined
  readonly set: (key: string, value: V) => void
  readonly delete: (key: string) => void
  readonly clear: () => void
}

/**
 * Two generations: when the young one is half of what may be, it becomes the old one, and the old one is forgotten at once. Taking the oldest entry out of one `Map`
 * costs more the more were taken before, which a flood would find out.
 */
export function createBoundedMap<V>(mostEntries: number): BoundedMap<V> {
  let young = new Map<string, V>()
  let old = new Map<string, V>()
  const set = (key: string, value: V): void => {
    young.set(key, value)
    if (young.size < mostEntries / 2) return
    old = young
    young = new Map()
  }
  return {
    set,
    get: key => {
      const value = young.get(key)
      if (value !== undefined) return value
      const kept = old.get(key)
      if (kept !== undefined) set(key, kept)
      return kept
    },
    delete: key => {
      young.delete(key)
      old.delete(key)
    },
    clear: () => {
      young = new Map()
      old = new Map()
    },
  }
}
