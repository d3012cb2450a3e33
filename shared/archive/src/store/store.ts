import type { CheckpointStore } from './checkpoint-store.ts'

/** Until when nobody may delete a version. */
export interface ObjectLock {
  /** In `GOVERNANCE` somebody with a permission can end it early. */
  readonly mode: 'COMPLIANCE' | 'GOVERNANCE'
  readonly untilMs: number
}

/** What a store knows about one version of an object. */
export interface ObjectInfo {
  readonly key: string
  /** Names these very bytes for ever; what a manifest pins. */
  readonly version: string
  readonly sizeBytes: number
  /** Whether this is a mark that hides the object instead of an object (S3 delete markers). */
  readonly isDeleteMarker: boolean
  /** Only `head` of a store that has locks says it; `none` where this version has none. */
  readonly lock?: ObjectLock | 'none'
}

/** An object to be created. */
export interface NewObject {
  /** ASCII, `/` between parts; no key may be a prefix of another at a `/`. */
  readonly key: string
  readonly bytes: Uint8Array
  /** Nobody, administrators included, may change or delete the object before this time; kept where the store can. */
  readonly retainUntil?: Date
  /**
   * What to do where another object holds the key: `refuse`, or `beside` it as another version. An object with the same
   * bytes is always adopted: it is our own, whose confirmation was lost.
   */
  readonly ifTaken: 'refuse' | 'beside'
}

/** What became of a {@link Store.put}. */
export type PutResult = { readonly kind: 'stored'; readonly version: string } | { readonly kind: 'taken' }

/** Which bytes to read. */
export interface GetOptions {
  /** The first version where left out: a later one cannot take its place. */
  readonly version?: string
  /** Bytes `start` to `end`, `end` excluded. */
  readonly range?: { readonly start: number; readonly end: number }
  readonly signal?: AbortSignal
}

/** Which objects to list. */
export interface ListOptions {
  /** Only keys above this one. */
  readonly after?: string
  readonly signal?: AbortSignal
}

/**
 * A place for objects that never change.
 *
 * - Durable: once `put` has returned, the object survives the loss of this process and its machine's memory.
 * - Immutable: no method changes or removes what a version names.
 * - Atomic: an object is there whole or not at all; of several that create one key, one wins.
 * - Ordered: `list` goes by key in the order of UTF-8 bytes, versions of one key from the oldest.
 * - A missing object is a value, not an error. Errors are `STORE_REFUSED` (not allowed, or altered on the way) and
 *   `DEPENDENCY_UNREACHABLE` (after the store's own retries).
 * - Calls may run at the same time.
 */
export interface Store extends AsyncDisposable {
  put(object: NewObject): Promise<PutResult>
  get(key: string, options?: GetOptions): Promise<Buffer | undefined>
  head(key: string, version?: string): Promise<ObjectInfo | undefined>
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo>
}

/** A store and the one object in it that is replaced. */
export interface ArchiveStore extends Store {
  readonly checkpoint: CheckpointStore
}
