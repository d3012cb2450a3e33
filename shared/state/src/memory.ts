import { byBytes } from './limits.ts'
import type { StateEntry, StateStore } from './state.ts'

/** A state that ends with the process, for tests and one-off runs. */
export function openMemoryState(): StateStore {
  const entries = new Map<string, StateEntry>()
  let writes = 0

  return {
    async get(key) {
      const entry = entries.get(key)
      return await Promise.resolve(entry && { ...entry, value: Uint8Array.from(entry.value) })
    },
    async put(key, value, expected) {
      if (entries.get(key)?.version !== expected) return await Promise.resolve(undefined)
      writes += 1
      const version = String(writes)
      entries.set(key, { value: Uint8Array.from(value), version })
      return version
    },
    async delete(key) {
      await Promise.resolve(entries.delete(key))
    },
    async *list(prefix) {
      const found = [...entries.keys()].filter(key => key.startsWith(prefix)).toSorted(byBytes)
      for (const key of found) yield await Promise.resolve(key)
    },
    async [Symbol.asyncDispose]() {
      await Promise.resolve()
    },
  }
}
