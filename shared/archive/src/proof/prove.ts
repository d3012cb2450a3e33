import { AppError } from '@muniment/schema'
import { parseCheckpoint } from '../format/checkpoint.ts'
import { entryBytes } from '../format/entry.ts'
import { manifestBytes, type CommittedManifest, type Manifest } from '../format/manifest.ts'
import { hashBytes, leafHash } from '../format/merkle.ts'
import { mergeRanges, intersectRange, subtractRanges, type Range, type RangeSet } from '../format/ranges.ts'
import { cosignedPrefix } from '../format/tiles.ts'
import { formatTlogProof } from '../format/tlog-proof.ts'
import { createTree } from '../format/tree.ts'
import { readPublished, type LogState } from '../log-state.ts'
import { listManifests, readManifest } from '../manifests.ts'
import type { ArchiveStore } from '../store/store.ts'
import { formatStatement, splitHashes, type LaneStatement, type Statement } from './statement.ts'

/** Where a record stands, as a query finds it. */
export interface RecordPlace {
  readonly manifest: { readonly key: string; readonly version: string }
  /** The segment: an object, and where in it. */
  readonly object: { readonly key: string }
  readonly start: number
  /** From 0. */
  readonly row: number
}

interface Published {
  readonly state: LogState
  readonly checkpoint: Buffer
  readonly treeSize: number
}

function notYet(what: string): AppError {
  return new AppError('NOT_FOUND', `${what} is archived but not in the signed log yet.`, {
    hint: 'The notary signs every few seconds; try again.',
  })
}

async function openPublished(store: ArchiveStore): Promise<Published> {
  const stored = await store.checkpoint.read()
  if (stored === undefined) throw notYet('The archive')
  const checkpoint = parseCheckpoint(stored.bytes)
  if (checkpoint === undefined) throw new AppError('ARCHIVE_DAMAGED', 'log/checkpoint cannot be read')
  const state = await readPublished(store, checkpoint)
  return { state, checkpoint: stored.bytes, treeSize: checkpoint.treeSize }
}

interface Entry {
  readonly index: number
  readonly path: readonly Buffer[]
}

function indexOf({ state }: Published, { manifest, sha256, key }: CommittedManifest): number {
  const { topic, partition, first_offset: firstOffset } = manifest
  const wanted = entryBytes({ topic, partition, firstOffset, sha256 })
  const index = state.entries.findIndex(entry => entry.equals(wanted))
  if (index < 0) throw notYet(`Manifest ${key}`)
  return index
}

function entryAt({ state, treeSize }: Published, index: number): Entry {
  return { index, path: state.tree.inclusionProof(index, treeSize) }
}

/** The same log under the oldest checkpoint with cosignatures that has the entry, where there is one: the newest may lack them. */
async function asCosigned(store: ArchiveStore, published: Published, index: number): Promise<Published> {
  const after = `${cosignedPrefix}${String(index).padStart(20, '0')}-~`
  for await (const { key, version, isDeleteMarker } of store.list(cosignedPrefix, { after })) {
    const bytes = isDeleteMarker ? undefined : await store.get(key, { version })
    const cosigned = bytes && parseCheckpoint(bytes)
    if (bytes === undefined || cosigned === undefined || cosigned.treeSize > published.treeSize) continue
    return { ...published, checkpoint: bytes, treeSize: cosigned.treeSize }
  }
  return published
}

function fileOf(published: Published, { index, path }: Entry, statement: Statement): Buffer {
  return formatTlogProof({ extra: formatStatement(statement), index, path, checkpoint: published.checkpoint })
}

function hexOf(path: readonly Buffer[]): string[] {
  return path.map(hash => hash.toString('hex'))
}

function segmentAt(manifest: Manifest, { object, start }: RecordPlace): number {
  const index = manifest.segments.findIndex(
    segment => segment.start === start && manifest.objects[segment.object]?.key === object.key,
  )
  if (index < 0)
    throw new AppError('NOT_FOUND', `The manifest has no segment at byte ${start} of ${object.key}.`)
  return index
}

/** Leaf hashes of one segment: its part of the tree object that it shares with the segments beside it. */
async function leavesOf(store: ArchiveStore, manifest: Manifest, index: number): Promise<readonly Buffer[]> {
  const segment = manifest.segments[index]
  const tree = segment && manifest.objects[segment.object]?.tree
  if (segment === undefined || tree === undefined)
    throw new AppError('ARCHIVE_DAMAGED', `no segment ${index}`)
  const before = manifest.segments.slice(0, index).filter(({ object }) => object === segment.object)
  const start = before.reduce((sum, { rows }) => sum + rows, 0) * hashBytes
  const range = { start, end: start + segment.rows * hashBytes }
  const bytes = await store.get(tree.key, { version: tree.version, range })
  if (bytes?.length !== segment.rows * hashBytes)
    throw new AppError('ARCHIVE_DAMAGED', `leaf hashes ${tree.key} are gone or cut off`)
  return splitHashes(bytes)
}

/** What is proven of a record. */
export interface RecordToProve {
  readonly raw: Uint8Array
  /** Whether the record itself goes into the file; without it, its hash does. */
  readonly isDisclosed: boolean
}

/**
 * One self-contained text file that proves a record to be in the archive: a C2SP tlog-proof of its manifest, which carries in its `extra` line the
 * manifest and the record's way to the root in it. Rejects with `NOT_FOUND` while the log does not have the manifest.
 */
export async function proveRecord(
  store: ArchiveStore,
  place: RecordPlace,
  { raw, isDisclosed }: RecordToProve,
): Promise<Buffer> {
  const newest = await openPublished(store)
  const committed = await readManifest(store, place.manifest.key, place.manifest.version)
  const { manifest } = committed
  const index = indexOf(newest, committed)
  const published = await asCosigned(store, newest, index)
  const entry = entryAt(published, index)
  const segment = segmentAt(manifest, place)
  const leaves = await leavesOf(store, manifest, segment)
  const tree = createTree()
  for (const leaf of leaves) tree.append(leaf)
  const leaf = leafHash(raw)
  const isThere = leaves[place.row]?.equals(leaf) === true
  const isWhole = tree.rootAt(leaves.length).toString('hex') === manifest.segments[segment]?.root
  if (!isThere || !isWhole)
    throw new AppError('ARCHIVE_DAMAGED', `the record is not row ${place.row} of ${place.object.key}`)
  return fileOf(published, entry, {
    v: 1,
    kind: 'record',
    manifest: manifestBytes(manifest).toString(),
    segment,
    row: place.row,
    leaf: leaf.toString('hex'),
    path: hexOf(tree.inclusionProof(place.row, leaves.length)),
    ...(isDisclosed && { record: Buffer.from(raw).toString('base64') }),
  })
}

/** Numbers of a lane, both ends included. */
export interface LaneRange {
  readonly topic: string
  readonly lane: string
  readonly from: number
  readonly to: number
}

/** A proof that a lane has no gap, or the numbers that the archive does not have. */
export type LaneProof =
  | { readonly isComplete: true; readonly file: Buffer }
  | { readonly isComplete: false; readonly lacking: readonly Range[] }

/** Manifests that list numbers of the range, and what they leave out. */
async function findCuts(
  store: ArchiveStore,
  { topic, lane, from, to }: LaneRange,
): Promise<{ readonly cuts: readonly CommittedManifest[]; readonly lacking: RangeSet }> {
  const cuts: CommittedManifest[] = []
  let lacking: RangeSet = [[from, to]]
  for await (const committed of listManifests(store, topic)) {
    const claim = committed.manifest.lanes.find(cut => cut.lane === lane)
    const inside = intersectRange(mergeRanges(claim?.ranges ?? []), [from, to])
    if (inside.length === 0) continue
    cuts.push(committed)
    lacking = subtractRanges(lacking, inside)
    if (lacking.length === 0) break
  }
  return { cuts, lacking }
}

/** Proves that the archive lists every number of a range of a lane, in one file like that of {@link proveRecord}. */
export async function proveLane(store: ArchiveStore, range: LaneRange): Promise<LaneProof> {
  const { lane, from, to } = range
  const { cuts, lacking } = await findCuts(store, range)
  if (lacking.length > 0) return { isComplete: false, lacking }
  const newest = await openPublished(store)
  const indexes = cuts.map(committed => indexOf(newest, committed))
  const published = await asCosigned(store, newest, Math.max(...indexes))
  const proven = cuts.map((committed, at) => ({ committed, entry: entryAt(published, indexes[at] ?? 0) }))
  const last = proven.at(-1)
  if (last === undefined) return { isComplete: false, lacking: [[from, to]] }
  const statement: LaneStatement = {
    v: 1,
    kind: 'lane',
    lane,
    from,
    to,
    cuts: proven.map(({ committed, entry }) => ({
      manifest: manifestBytes(committed.manifest).toString(),
      index: entry.index,
      path: hexOf(entry.path),
    })),
  }
  return { isComplete: true, file: fileOf(published, last.entry, statement) }
}
