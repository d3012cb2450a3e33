import { AppError } from '@muniment/schema'
import { parseEntry, type LogEntry } from './format/entry.ts'
import { leafHash } from './format/merkle.ts'
import { bundleBytes, heightOf, parseBundle, sequenceKey, tileWidth, type Tile } from './format/tiles.ts'
import { createTree, type MerkleTree } from './format/tree.ts'
import type { Store } from './store/store.ts'

/** The entries of a log and what follows from them. */
export interface LogState {
  readonly entries: Buffer[]
  readonly tree: MerkleTree
  /** Newest entry of each partition, by `topic/partition`. */
  readonly newest: Map<string, LogEntry>
}

/** A log without entries. */
export function emptyLog(): LogState {
  return { entries: [], tree: createTree(), newest: new Map() }
}

/** The name under which a partition's newest entry is kept. */
export function partitionName(place: { readonly topic: string; readonly partition: number }): string {
  return `${place.topic}/${place.partition}`
}

/** Adds entries at the end. */
export function appendEntries(state: LogState, entries: readonly Buffer[]): void {
  for (const bytes of entries) {
    state.entries.push(bytes)
    state.tree.append(leafHash(bytes))
    const entry = parseEntry(bytes)
    if (entry !== undefined) state.newest.set(partitionName(entry), entry)
  }
}

/** The bytes of a tile; `undefined` where the log is too short for it. */
export function tileBytes(state: LogState, tile: Tile): Buffer | undefined {
  const start = tile.index * tileWidth
  const end = start + tile.width
  if (tile.level === 'entries') {
    return end <= state.entries.length ? bundleBytes(state.entries.slice(start, end)) : undefined
  }
  const hashes = state.tree.level(heightOf(tile.level))
  return end <= hashes.length ? Buffer.concat(hashes.slice(start, end)) : undefined
}

/** The batch of entries that starts where the log ends, if it has been decided. */
async function readSequence(store: Store, start: number): Promise<readonly Buffer[] | undefined> {
  const key = sequenceKey(start)
  const bytes = await store.get(key)
  if (bytes === undefined) return undefined
  const entries = parseBundle(bytes)
  if (entries === undefined || entries.length === 0) {
    throw new AppError('ARCHIVE_DAMAGED', `log batch ${key} cannot be read`, { details: { key } })
  }
  return entries
}

/** Takes in every batch that has been decided since. */
export async function catchUp(store: Store, state: LogState): Promise<void> {
  for (;;) {
    const entries = await readSequence(store, state.entries.length)
    if (entries === undefined) return
    appendEntries(state, entries)
  }
}
