import { AppError } from '@muniment/schema'
import { parseEntry, parseHeartbeat, type LogEntry } from './format/entry.ts'
import { leafHash } from './format/merkle.ts'
import {
  bundleBytes,
  heightOf,
  parseBundle,
  sequenceKey,
  tileKey,
  tilesBetween,
  tileWidth,
  type Tile,
} from './format/tiles.ts'
import { createTree, type MerkleTree } from './format/tree.ts'
import { inOrder } from './in-order.ts'
import type { TreeHead } from './format/proofs.ts'
import type { Store } from './store/store.ts'

/** The entries of a log and what follows from them. */
export interface LogState {
  readonly entries: Buffer[]
  readonly tree: MerkleTree
  /** Newest entry of each partition, by `topic/partition`. */
  readonly newest: Map<string, LogEntry>
  /** Time of the newest heartbeat, milliseconds since the epoch. */
  beatMs: number | undefined
}

/** A log without entries. */
export function emptyLog(): LogState {
  return { entries: [], tree: createTree(), newest: new Map(), beatMs: undefined }
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
    else state.beatMs = parseHeartbeat(bytes) ?? state.beatMs
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

const bundlesAhead = 16

/** The entries below a signed checkpoint, from the bundles: a fraction of the requests that the batches would cost. */
async function readBundles(store: Store, size: number): Promise<readonly Buffer[]> {
  const bundles = tilesBetween(0, size).filter(({ level }) => level === 'entries')
  const entries: Buffer[] = []
  for await (const { key, bytes } of inOrder(bundles, bundlesAhead, async tile => {
    const name = tileKey(tile)
    return { key: name, bytes: await store.get(name) }
  })) {
    const parsed = bytes && parseBundle(bytes)
    if (parsed === undefined) throw damagedLog(key, 'is missing or cannot be read')
    entries.push(...parsed)
  }
  return entries
}

/** An `ARCHIVE_DAMAGED` that names an object of the log. */
export function damagedLog(key: string, why: string): AppError {
  return new AppError('ARCHIVE_DAMAGED', `${key} ${why}`, { details: { key } })
}

/** The log as far as a checkpoint goes; throws `ARCHIVE_DAMAGED` where the stored entries do not give its root. */
export async function readPublished(store: Store, head: TreeHead): Promise<LogState> {
  const state = emptyLog()
  appendEntries(state, await readBundles(store, head.treeSize))
  const { length } = state.entries
  if (length !== head.treeSize || !state.tree.rootAt(length).equals(head.root)) {
    throw damagedLog('log/checkpoint', 'does not match the entries of the log')
  }
  return state
}
