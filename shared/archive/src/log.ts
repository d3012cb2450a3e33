import { AppError, topic, topics } from '@muniment/schema'
import { entryBytes, heartbeatBytes } from './format/entry.ts'
import {
  parseCheckpoint,
  isSignedBy,
  parseVerifierKey,
  signCheckpoint,
  type NoteSigner,
} from './format/checkpoint.ts'
import { manifestKey } from './format/paths.ts'
import { bundleBytes, cosignedKey, sequenceKey, tileKey, tilesBetween } from './format/tiles.ts'
import {
  appendEntries,
  catchUp,
  damagedLog,
  emptyLog,
  partitionName,
  readPublished,
  tileBytes,
  type LogState,
} from './log-state.ts'
import { readManifest } from './manifests.ts'
import type { CommittedManifest } from './format/manifest.ts'
import type { ArchiveStore } from './store/store.ts'
import { inOrder } from './in-order.ts'

/** Partitions whose manifests the log follows. */
interface LogPartition {
  readonly topic: string
  readonly partition: number
}

/** What a log works with. */
export interface LogOptions {
  readonly store: ArchiveStore
  readonly signer: NoteSigner
  /** Verifier keys of earlier generations of the signer: a checkpoint of theirs is the log's too. */
  readonly formerKeys?: readonly string[]
  /** All partitions of events, alerts and control where left out. */
  readonly partitions?: readonly LogPartition[]
  readonly now: () => number
  readonly retentionDays?: number
  /** After how long without anything to add the log gets a heartbeat; never where left out. */
  readonly heartbeatMs?: number | undefined
}

/** The log as it stands after an integration. */
interface LogHead {
  readonly treeSize: number
  /** RFC 6962 root, hex. */
  readonly root: string
  /** The signed checkpoint that stands in the store; `undefined` while the log is empty. */
  readonly checkpoint: string | undefined
  /** Entries that this call added. */
  readonly added: number
}

/** The archive's append-only log: entries name manifests by position and digest. */
export interface Log {
  /**
   * Adds every manifest that is not in the log yet and publishes the signed checkpoint. Any number of processes may
   * call it at the same time: they converge on one order.
   */
  readonly integrate: () => Promise<LogHead>
  /** Proof that the log of `size` entries extends that of `olderSize`; after an `integrate` that reached `size`. */
  readonly consistencyProof: (olderSize: number, size: number) => readonly Buffer[]
  /** Keeps a checkpoint of the log with cosignatures for good, and publishes it unless a newer one stands there. */
  readonly publishCosigned: (note: string) => Promise<void>
}

const dayMs = 86_400_000
const maxBatchEntries = 4096
const partitionsAhead = 16

function allPartitions(): readonly LogPartition[] {
  const archived = new Set<string>([topic.events, topic.alerts, topic.control])
  return topics
    .filter(({ name }) => archived.has(name))
    .flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition })),
    )
}

interface Working {
  readonly options: LogOptions
  readonly partitions: readonly LogPartition[]
  state: LogState
  /** Where each partition's next manifest will stand. */
  readonly nextOffset: Map<string, number>
  /** Size of the log whose tiles and checkpoint this process knows to stand in the store. */
  published: number
  /** When this process last saw the log grow, or began to look. */
  grownMs: number
}

/** Rebuilds the state from the store alone. */
async function restore(working: Working): Promise<void> {
  const { store, signer, formerKeys = [] } = working.options
  const stored = await store.checkpoint.read()
  if (stored === undefined) return
  const checkpoint = parseCheckpoint(stored.bytes)
  const verifiers = [signer.vkey, ...formerKeys].map(parseVerifierKey)
  if (checkpoint === undefined || !isSignedBy(checkpoint, verifiers)) {
    throw damagedLog('log/checkpoint', `is not signed by ${signer.name}`)
  }
  working.state = await readPublished(store, checkpoint)
  working.published = checkpoint.treeSize
}

async function offsetAfter(working: Working, place: LogPartition): Promise<number> {
  const name = partitionName(place)
  const known = working.nextOffset.get(name)
  if (known !== undefined) return known
  const entry = working.state.newest.get(name)
  if (entry === undefined) return 0
  const key = manifestKey(entry.topic, entry.partition, entry.firstOffset)
  const { manifest } = await readManifest(working.options.store, key)
  working.nextOffset.set(name, manifest.next_offset)
  return manifest.next_offset
}

async function manifestAt(
  store: ArchiveStore,
  place: LogPartition,
  offset: number,
): Promise<CommittedManifest | undefined> {
  const key = manifestKey(place.topic, place.partition, offset)
  const info = await store.head(key)
  return info && readManifest(store, key, info.version)
}

interface NewEntry {
  readonly name: string
  readonly committed: CommittedManifest
}

/** Manifests of one partition that the log does not have; each names where the next one stands, so none is searched for. */
async function newInPartition(working: Working, place: LogPartition): Promise<readonly NewEntry[]> {
  const found: NewEntry[] = []
  let offset = await offsetAfter(working, place)
  while (found.length < maxBatchEntries) {
    const committed = await manifestAt(working.options.store, place, offset)
    if (committed === undefined) break
    found.push({ name: partitionName(place), committed })
    offset = committed.manifest.next_offset
  }
  return found
}

async function newEntries(working: Working): Promise<readonly NewEntry[]> {
  const found: NewEntry[] = []
  const search = (place: LogPartition): Promise<readonly NewEntry[]> => newInPartition(working, place)
  for await (const entries of inOrder(working.partitions, partitionsAhead, search)) found.push(...entries)
  return found.slice(0, maxBatchEntries)
}

function retention({ now, retentionDays }: LogOptions): { readonly retainUntil?: Date } {
  return retentionDays === undefined ? {} : { retainUntil: new Date(now() + retentionDays * dayMs) }
}

/** Decides the next batch; `false` where another process was faster, whose batch then counts. */
async function decide(working: Working, batch: readonly NewEntry[]): Promise<boolean> {
  const entries = batch.map(({ committed: { manifest, sha256 } }) =>
    entryBytes({
      topic: manifest.topic,
      partition: manifest.partition,
      firstOffset: manifest.first_offset,
      sha256,
    }),
  )
  if (!(await append(working, entries))) return false
  for (const { name, committed } of batch) working.nextOffset.set(name, committed.manifest.next_offset)
  return true
}

async function append(working: Working, entries: readonly Buffer[]): Promise<boolean> {
  const { options, state } = working
  const key = sequenceKey(state.entries.length)
  const bytes = bundleBytes(entries)
  const { kind } = await options.store.put({ key, bytes, ifTaken: 'refuse', ...retention(options) })
  if (kind === 'taken') return false
  appendEntries(state, entries)
  working.grownMs = options.now()
  return true
}

/** Says that the log's notary is there though it has nothing to add; another process may be faster. */
async function beat(working: Working): Promise<number> {
  const { options, state, grownMs } = working
  const { now, heartbeatMs = Infinity } = options
  if (now() - Math.max(grownMs, state.beatMs ?? 0) < heartbeatMs) return 0
  if (await append(working, [heartbeatBytes(now())])) return 1
  await takeOthers(working)
  return 0
}

/** Entries first, then tiles: a published checkpoint never names what is not there. */
async function publishTiles(working: Working): Promise<void> {
  const { options, state, published } = working
  const tiles = tilesBetween(published, state.entries.length)
  const write = async (tile: (typeof tiles)[number]): Promise<void> => {
    const key = tileKey(tile)
    const bytes = tileBytes(state, tile)
    if (bytes === undefined) throw damagedLog(key, 'lies beyond the log')
    const { kind } = await options.store.put({ key, bytes, ifTaken: 'refuse', ...retention(options) })
    if (kind === 'taken') throw damagedLog(key, 'does not follow from the order of entries')
  }
  for await (const _ of inOrder(tiles, partitionsAhead, write)) continue
}

/** Moves the checkpoint forward, never back. */
async function publishCheckpoint({ options, state }: Working): Promise<string> {
  const { store, signer } = options
  const treeSize = state.entries.length
  const note = signCheckpoint({ treeSize, root: state.tree.rootAt(treeSize) }, signer)
  for (;;) {
    const current = await store.checkpoint.read()
    const known = current && parseCheckpoint(current.bytes)
    if (current !== undefined && known === undefined) throw damagedLog('log/checkpoint', 'cannot be read')
    if (current !== undefined && known !== undefined && known.treeSize >= treeSize)
      return current.bytes.toString()
    if (await store.checkpoint.replace(Buffer.from(note), current?.tag)) return note
  }
}

/** Takes in what other processes have decided; where their partitions go on is then read again. */
async function takeOthers(working: Working): Promise<void> {
  const { state, options } = working
  const before = state.entries.length
  await catchUp(options.store, state)
  if (state.entries.length === before) return
  working.nextOffset.clear()
  working.grownMs = options.now()
}

async function integrate(working: Working): Promise<LogHead> {
  const { state } = working
  let added = 0
  await takeOthers(working)
  for (let batch = await newEntries(working); batch.length > 0; batch = await newEntries(working)) {
    if (await decide(working, batch)) added += batch.length
    else await takeOthers(working)
  }
  if (added === 0) added += await beat(working)
  const treeSize = state.entries.length
  if (treeSize > working.published) await publishTiles(working)
  const checkpoint = treeSize === 0 ? undefined : await publishCheckpoint(working)
  working.published = treeSize
  return { treeSize, root: state.tree.rootAt(treeSize).toString('hex'), checkpoint, added }
}

/** First for good, then at the place where readers look: what they see there is always kept. */
async function publishCosigned(options: LogOptions, note: string): Promise<void> {
  const bytes = Buffer.from(note)
  const cosigned = parseCheckpoint(bytes)
  if (cosigned === undefined) throw new AppError('INVALID_INPUT', 'not a checkpoint')
  const key = cosignedKey(cosigned.treeSize, bytes)
  await options.store.put({ key, bytes, ifTaken: 'beside', ...retention(options) })
  const { checkpoint } = options.store
  for (;;) {
    const current = await checkpoint.read()
    const isOurs = current !== undefined && parseCheckpoint(current.bytes)?.text === cosigned.text
    if (!isOurs || (await checkpoint.replace(bytes, current.tag))) return
  }
}

/** Opens the log; its state is rebuilt from the store on first use and after any failure. */
export function openLog(options: LogOptions): Log {
  const fresh = (): Working => ({
    options,
    partitions: options.partitions ?? allPartitions(),
    state: emptyLog(),
    nextOffset: new Map(),
    published: 0,
    grownMs: options.now(),
  })
  let working: Working | undefined
  let { tree } = emptyLog()
  return {
    async integrate() {
      const current = working ?? fresh()
      if (working === undefined) await restore(current)
      // Known only while it is right: after a failure the next call reads everything again.
      working = undefined
      const head = await integrate(current)
      working = current
      tree = current.state.tree
      return head
    },
    consistencyProof: (olderSize, size) => tree.consistencyProof(olderSize, size),
    publishCosigned: note => publishCosigned(options, note),
  }
}
