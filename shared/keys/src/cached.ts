import { isAppError } from '@muniment/schema'

/** A value that is read when it is needed and kept for a time. */
export interface Cached<T> {
  readonly get: () => Promise<T>
  /** Reads anew, unless that was done just now. Whether it was read. */
  readonly refresh: () => Promise<boolean>
}

/** What is kept, and for how long. */
export interface CachedOptions<T> {
  readonly now: () => number
  readonly cacheTtlMs: number
  readonly read: () => Promise<T>
}

// Records that name unknown keys may come by the thousand; each must not become a request.
const minRefreshMs = 5_000

/** Keeps what `read` gave for `cacheTtlMs`, and longer only while reading fails with `DEPENDENCY_UNREACHABLE`. Of readers at once, one reads. */
export function cached<T>({ now, cacheTtlMs, read }: CachedOptions<T>): Cached<T> {
  let held: { readonly value: T; readonly readMs: number; readonly staleMs: number } | undefined
  let reading: Promise<T> | undefined

  async function keep(): Promise<T> {
    const value = await read()
    held = { value, readMs: now(), staleMs: now() + cacheTtlMs }
    return value
  }

  async function readOnce(): Promise<T> {
    reading ??= keep().finally(() => {
      reading = undefined
    })
    return await reading
  }

  return {
    async get() {
      const had = held
      if (had !== undefined && now() < had.staleMs) return had.value
      try {
        return await readOnce()
      } catch (error) {
        if (had === undefined || !isAppError(error, 'DEPENDENCY_UNREACHABLE')) throw error
        held = { ...had, staleMs: now() + minRefreshMs }
        return had.value
      }
    },
    async refresh() {
      if (held !== undefined && now() - held.readMs < minRefreshMs) return false
      await readOnce()
      return true
    },
  }
}
