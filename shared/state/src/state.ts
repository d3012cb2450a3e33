/** A value and the version that a later write must name to replace it. */
export interface StateEntry {
  readonly value: Uint8Array
  readonly version: string
}

/**
 * A small mutable store: wrapped tenant keys, detector snapshots, leases. Never evidence.
 * Durability: a `put` that resolved survives a crash. Consistency: reads after a resolved write see it, also from other processes.
 * Concurrency: `put` replaces only the version that the caller names, so of several writers one wins and the others get `undefined`; no version comes twice.
 * Keys are slash-separated segments of 1-200 characters of `[A-Za-z0-9._=-]`, none of them `.` or `..`, at most 512 characters in all (else
 * `INVALID_INPUT`); values at most 64 MiB (else `LIMIT_EXCEEDED`). A missing key is a value, not an error.
 */
export interface StateStore extends AsyncDisposable {
  get(key: string): Promise<StateEntry | undefined>
  /** `expected`: the version to replace, or `undefined` where the key must not exist yet. Returns the new version, or `undefined` where another writer was first. */
  put(key: string, value: Uint8Array, expected: string | undefined): Promise<string | undefined>
  /** Removes the value, leaving nothing that can be read back through this store. */
  delete(key: string): Promise<void>
  /** Keys that begin with `prefix`, in byte order. */
  list(prefix: string): AsyncIterable<string>
}
