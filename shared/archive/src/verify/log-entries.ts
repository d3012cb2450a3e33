import type { Checkpoint } from '../format/checkpoint.ts'
import { parseEntry, parseHeartbeat, type LogEntry } from '../format/entry.ts'
import { manifestKey } from '../format/paths.ts'
import { parseBundle, parseSequenceKey, sequenceKey, sequencePrefix } from '../format/tiles.ts'
import { appendEntries, partitionName } from '../log-state.ts'
import { checkpointKey } from '../store/checkpoint-store.ts'
import type { ObjectInfo } from '../store/store.ts'
import { alteredBatches } from './blame.ts'
import { positionOf } from './cut-working.ts'
import { listedAfter } from './listed-after.ts'
import { note, report, type Working } from './log-working.ts'
import type { Anchor, EntryRange } from './report.ts'

/** Reads the batches in which entries were decided, as far as they follow each other. */
export async function readEntries(working: Working): Promise<void> {
  const { store } = working.input
  for (const info of batchesListed(working)) {
    // On an archive in use the listing may have passed by a batch that was written behind it.
    if (info.key > nextBatchKey(working)) await readNewerEntries(working)
    if (working.batches.has(info.key)) continue
    const expected = nextBatchKey(working)
    const bytes = await store.get(info.key, { version: info.version })
    const entries = bytes && parseBundle(bytes)
    if (info.key !== expected) {
      report(working, 'log.entries', {
        object: info.key,
        reason: `the batch ${expected} should stand before it`,
        entries: entriesBetween(working.state.entries.length, parseSequenceKey(info.key)),
      })
    } else if (entries === undefined || entries.length === 0) {
      report(working, 'log.entries', {
        object: info.key,
        reason: 'cannot be read',
        entries: batchOf(working, info.key),
      })
    } else addBatch(working, entries)
  }
  await readNewerEntries(working)
}

/** The first version of every batch; nobody writes another. */
function batchesListed(working: Working): readonly ObjectInfo[] {
  const batches = working.input.listed.filter(
    ({ key, isDeleteMarker }) => key.startsWith(sequencePrefix) && !isDeleteMarker,
  )
  const isFirst = ({ key }: ObjectInfo, at: number): boolean => batches[at - 1]?.key !== key
  for (const [at, info] of batches.entries()) {
    if (isFirst(info, at)) continue
    const reason = 'has a later version that would hide it'
    report(working, 'log.entries', { object: info.key, reason, entries: batchOf(working, info.key) })
  }
  return batches.filter(isFirst)
}

/** Entries between two places, in whatever order they are; all from the first on where the other is no place. */
function entriesBetween(one: number, other: number | undefined): EntryRange {
  return other === undefined ? { first: one } : { first: Math.min(one, other), next: Math.max(one, other) }
}

/** The entries of a batch: up to where the next one in the listing starts. A key that names no place may stand for any. */
function batchOf({ input }: Working, key: string): EntryRange {
  const after = listedAfter(input.listed, key)
  return entriesBetween(parseSequenceKey(key) ?? 0, after && parseSequenceKey(after.key))
}

function nextBatchKey({ state }: Working): string {
  return sequenceKey(state.entries.length)
}

function addBatch(working: Working, entries: readonly Buffer[]): void {
  working.batches.set(nextBatchKey(working), working.state.entries.length)
  appendEntries(working.state, entries)
}

/** Batches decided since the listing, on an archive in use: tiles listed later may hold them. */
async function readNewerEntries(working: Working): Promise<void> {
  for (;;) {
    const bytes = await working.input.store.get(nextBatchKey(working))
    const entries = bytes && parseBundle(bytes)
    if (entries === undefined || entries.length === 0) return
    addBatch(working, entries)
  }
}

/** Where the entries do not have the root that is signed: which batch is to blame. */
export async function checkBatches(working: Working, checkpoint: Checkpoint): Promise<void> {
  const { input, state, batches } = working
  const { treeSize, root } = checkpoint
  if (treeSize > state.entries.length || state.tree.rootAt(treeSize).equals(root)) return
  const decided = { store: input.store, entries: state.entries, starts: [...batches.values()] }
  for (const start of await alteredBatches(decided, checkpoint)) {
    const reason = 'does not hold the entries that the checkpoint signs'
    const object = sequenceKey(start)
    report(working, 'log.entries', { object, reason, entries: batchOf(working, object) })
  }
}

interface Place {
  readonly entries: EntryRange
  /** The entry of the same partition before it. */
  readonly last: LogEntry | undefined
}

/** One entry against the manifest it names. */
function checkEntry(working: Working, entry: LogEntry, { entries, last }: Place): void {
  const key = manifestKey(entry.topic, entry.partition, entry.firstOffset)
  const committed = working.input.committed.get(key)
  const found = {
    object: key,
    entries,
    ...(committed !== undefined && { range: positionOf(committed) }),
  }
  if (committed === undefined) {
    report(working, 'log.manifest', { ...found, reason: 'the log names it, the archive does not have it' })
  } else if (committed.sha256 !== entry.sha256) {
    report(working, 'log.manifest', { ...found, reason: 'does not have the SHA-256 that the log names' })
  }
  const before =
    last && working.input.committed.get(manifestKey(last.topic, last.partition, last.firstOffset))
  const expected = last === undefined ? 0 : before?.manifest.next_offset
  if (expected !== undefined && expected !== entry.firstOffset) {
    const reason = `the log names it out of order: expected the manifest at offset ${expected}`
    report(working, 'log.order', { ...found, reason })
  }
}

/** Compares entries and manifests; returns the anchored entries' newest per partition. */
export function checkEntries(working: Working, size: number): ReadonlyMap<string, LogEntry> {
  const newest = new Map<string, LogEntry>()
  for (const [index, bytes] of working.state.entries.slice(0, size).entries()) {
    const entry = parseEntry(bytes)
    if (entry === undefined && parseHeartbeat(bytes) !== undefined) continue
    const entries = { first: index, next: index + 1 }
    if (entry === undefined) {
      const reason = `entry ${index} is of an unknown kind`
      note(working, 'log.entries', { object: checkpointKey, reason, entries })
      continue
    }
    const name = partitionName(entry)
    checkEntry(working, entry, { entries, last: newest.get(name) })
    newest.set(name, entry)
  }
  return newest
}

/** First offset of each partition that the checkpoint does not cover. */
export function anchoredUntil(working: Working, newest: ReadonlyMap<string, LogEntry>): Anchor['until'] {
  return [...newest.values()].flatMap(({ topic, partition, firstOffset }) => {
    const committed = working.input.committed.get(manifestKey(topic, partition, firstOffset))
    return committed === undefined ? [] : [{ topic, partition, next_offset: committed.manifest.next_offset }]
  })
}

/** Manifests newer than the checkpoint: fine, but not proven yet. */
export function noteUnanchored(working: Working, until: Anchor['until']): void {
  const anchored = new Map(until.map(place => [partitionName(place), place.next_offset]))
  const byKey = working.input.committed.values().toArray()
  for (const committed of byKey.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
    const { manifest, key } = committed
    if (manifest.first_offset < (anchored.get(partitionName(manifest)) ?? 0)) continue
    const reason = 'newer than the checkpoint: not anchored yet'
    working.findings.notes.push({ code: 'log.unanchored', object: key, reason, range: positionOf(committed) })
  }
}
