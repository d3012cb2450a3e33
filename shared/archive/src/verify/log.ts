import { isSignedBy, parseCheckpoint, type Checkpoint, type NoteVerifier } from '../format/checkpoint.ts'
import { parseEntry, parseHeartbeat, type LogEntry } from '../format/entry.ts'
import type { CommittedManifest } from '../format/manifest.ts'
import { manifestKey } from '../format/paths.ts'
import type { Trust } from '../format/policy.ts'
import {
  cosignedPrefix,
  parseBundle,
  parseTileKey,
  sequenceKey,
  sequencePrefix,
  tileKey,
  tilesBetween,
} from '../format/tiles.ts'
import { appendEntries, emptyLog, partitionName, tileBytes, type LogState } from '../log-state.ts'
import { checkpointKey } from '../store/checkpoint-store.ts'
import type { ObjectInfo, Store } from '../store/store.ts'
import { inOrder } from '../in-order.ts'
import { alteredBatches } from './blame.ts'
import { checkClocks } from './clocks.ts'
import { checkPublished, readCosigned, witnessedBy, witnessedHeads, type WitnessedHead } from './cosigned.ts'
import { positionOf } from './cut.ts'
import type { Anchor, FindingCode, Findings } from './report.ts'

/** What checking the log needs. */
export interface LogInput {
  readonly store: Store
  /** The checkpoint before anything was listed: everything it names must be in the listing. */
  readonly checkpoint: Buffer | undefined
  /** The checkpoint after everything was listed: on an archive in use it may be newer. */
  readonly checkpointAfter: Buffer | undefined
  /** Without any key: signatures are not checked. */
  readonly trust: Trust
  /** Checkpoints that somebody kept: the log must be an extension of each. */
  readonly remembered: readonly string[]
  /** Everything below `log/`. */
  readonly listed: readonly ObjectInfo[]
  /** Manifests that could be read, by key. */
  readonly committed: ReadonlyMap<string, CommittedManifest>
}

const objectsAhead = 16

interface Working {
  readonly input: LogInput
  readonly findings: Findings
  readonly trust: Trust
  readonly state: LogState
  /** Keys of the batches that the entries come from, and the first entry of each, in order. */
  readonly batches: Map<string, number>
}

function report(working: Working, code: FindingCode, found: { object: string; reason: string }): void {
  working.findings.problems.push({ code, ...found })
}

function note(working: Working, code: FindingCode, found: { object: string; reason: string }): void {
  working.findings.notes.push({ code, ...found })
}

/** Reads a checkpoint and checks its signature where the caller trusts a key. */
function readCheckpoint(working: Working, bytes: Buffer, object: string): Checkpoint | undefined {
  const checkpoint = parseCheckpoint(bytes)
  if (checkpoint === undefined) {
    report(working, 'log.checkpoint', { object, reason: 'not a checkpoint' })
    return undefined
  }
  const keys = logKeys(working.trust)
  if (keys.length > 0 && !isSignedBy(checkpoint, keys)) {
    const names = new Set(keys.map(({ name }) => name))
    report(working, 'log.key', { object, reason: `not signed by ${[...names].join(' or ')}` })
    return undefined
  }
  return checkpoint
}

function logKeys({ verifiers, policy }: Trust): readonly NoteVerifier[] {
  return [...verifiers, ...(policy?.logs ?? [])]
}

/** Reads the batches in which entries were decided, as far as they follow each other. */
async function readEntries(working: Working): Promise<void> {
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
      })
    } else if (entries === undefined || entries.length === 0) {
      report(working, 'log.entries', { object: info.key, reason: 'cannot be read' })
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
    report(working, 'log.entries', { object: info.key, reason: 'has a later version that would hide it' })
  }
  return batches.filter(isFirst)
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

/** Every tile and bundle in the store must follow from the entries; so must everything a checkpoint needs be there. */
async function checkTiles(working: Working, size: number): Promise<void> {
  const { store, listed } = working.input
  const present = new Set<string>()
  const tiles = listed.flatMap(({ key, version, isDeleteMarker }) => {
    const tile = isDeleteMarker ? undefined : parseTileKey(key)
    return tile === undefined ? [] : [{ key, version, tile }]
  })
  const read = async ({ key, version, tile }: (typeof tiles)[number]): Promise<void> => {
    present.add(key)
    const expected = tileBytes(working.state, tile)
    const bytes = await store.get(key, { version })
    if (expected === undefined || bytes?.equals(expected) !== true) {
      report(working, 'log.tile', { object: key, reason: 'does not follow from the entries of the log' })
    }
  }
  for await (const _ of inOrder(tiles, objectsAhead, read)) continue
  for (const tile of tilesBetween(0, size)) {
    const key = tileKey(tile)
    if (!present.has(key)) report(working, 'log.tile', { object: key, reason: 'is missing' })
  }
}

function checkStrangers(working: Working): void {
  for (const info of working.input.listed) {
    const isKnown =
      info.key === checkpointKey ||
      info.key.startsWith(sequencePrefix) ||
      info.key.startsWith(cosignedPrefix) ||
      parseTileKey(info.key) !== undefined
    if (info.isDeleteMarker) {
      report(working, 'object.hidden', { object: info.key, reason: 'hidden by a delete marker' })
    } else if (!isKnown) {
      report(working, 'object.foreign', { object: info.key, reason: 'the log has no object of this name' })
    }
  }
}

/** Whether the entries extend a checkpoint. */
function checkExtends(working: Working, checkpoint: Checkpoint, object: string): void {
  const { state } = working
  const { treeSize, root } = checkpoint
  if (treeSize > state.entries.length) {
    const reason = `names ${treeSize} entries, the log has ${state.entries.length}: it was cut back`
    report(working, 'log.fork', { object, reason })
  } else if (!state.tree.rootAt(treeSize).equals(root)) {
    report(working, 'log.fork', {
      object,
      reason: `its root over ${treeSize} entries is not the root of the log`,
    })
  }
}

/** Where the entries do not have the root that is signed: which batch is to blame. */
async function checkBatches(working: Working, checkpoint: Checkpoint): Promise<void> {
  const { input, state, batches } = working
  const { treeSize, root } = checkpoint
  if (treeSize > state.entries.length || state.tree.rootAt(treeSize).equals(root)) return
  const decided = { store: input.store, entries: state.entries, starts: [...batches.values()] }
  for (const start of await alteredBatches(decided, checkpoint)) {
    const reason = 'does not hold the entries that the checkpoint signs'
    report(working, 'log.entries', { object: sequenceKey(start), reason })
  }
}

/** How many batches were decided that the checkpoint does not cover; one may be under way. */
function batchesBeyond(working: Working, size: number): number {
  const starts = working.input.listed.filter(
    ({ key, isDeleteMarker }) =>
      key.startsWith(sequencePrefix) && !isDeleteMarker && key >= sequenceKey(size),
  )
  return starts.length
}

function checkAge(working: Working, newest: Checkpoint | undefined): void {
  const beyond = batchesBeyond(working, newest?.treeSize ?? 0)
  const object = checkpointKey
  if (beyond > 1) {
    const reason = `${newest === undefined ? 'missing' : 'old'}: ${beyond} batches of entries were decided after it`
    report(working, 'log.checkpoint', { object, reason })
  } else if (beyond === 1) {
    note(working, 'log.unanchored', { object, reason: 'one batch of entries is about to be published' })
  }
}

/** One entry against the manifest it names. */
function checkEntry(working: Working, entry: LogEntry, last: LogEntry | undefined): void {
  const key = manifestKey(entry.topic, entry.partition, entry.firstOffset)
  const committed = working.input.committed.get(key)
  if (committed === undefined) {
    report(working, 'log.manifest', { object: key, reason: 'the log names it, the archive does not have it' })
  } else if (committed.sha256 !== entry.sha256) {
    report(working, 'log.manifest', { object: key, reason: 'does not have the SHA-256 that the log names' })
  }
  const before =
    last && working.input.committed.get(manifestKey(last.topic, last.partition, last.firstOffset))
  const expected = last === undefined ? 0 : before?.manifest.next_offset
  if (expected !== undefined && expected !== entry.firstOffset) {
    const reason = `the log names it out of order: expected the manifest at offset ${expected}`
    report(working, 'log.order', { object: key, reason })
  }
}

/** Compares entries and manifests; returns the anchored entries' newest per partition. */
function checkEntries(working: Working, size: number): ReadonlyMap<string, LogEntry> {
  const newest = new Map<string, LogEntry>()
  for (const [index, bytes] of working.state.entries.slice(0, size).entries()) {
    const entry = parseEntry(bytes)
    if (entry === undefined && parseHeartbeat(bytes) !== undefined) continue
    if (entry === undefined) {
      const found = { object: checkpointKey, reason: `entry ${index} is of an unknown kind` }
      note(working, 'log.entries', found)
      continue
    }
    const name = partitionName(entry)
    checkEntry(working, entry, newest.get(name))
    newest.set(name, entry)
  }
  return newest
}

/** First offset of each partition that the checkpoint does not cover. */
function anchoredUntil(working: Working, newest: ReadonlyMap<string, LogEntry>): Anchor['until'] {
  return [...newest.values()].flatMap(({ topic, partition, firstOffset }) => {
    const committed = working.input.committed.get(manifestKey(topic, partition, firstOffset))
    return committed === undefined ? [] : [{ topic, partition, next_offset: committed.manifest.next_offset }]
  })
}

/** Manifests newer than the checkpoint: fine, but not proven yet. */
function noteUnanchored(working: Working, until: Anchor['until']): void {
  const anchored = new Map(until.map(place => [partitionName(place), place.next_offset]))
  for (const committed of working.input.committed.values()) {
    const { manifest, key } = committed
    if (manifest.first_offset < (anchored.get(partitionName(manifest)) ?? 0)) continue
    const reason = 'newer than the checkpoint: not anchored yet'
    working.findings.notes.push({ code: 'log.unanchored', object: key, reason, range: positionOf(committed) })
  }
}

function checkRemembered(working: Working): void {
  for (const text of working.input.remembered) {
    const checkpoint = readCheckpoint(working, Buffer.from(text), 'a remembered checkpoint')
    if (checkpoint !== undefined) checkExtends(working, checkpoint, 'a remembered checkpoint')
  }
}

/** Older checkpoints that the store kept as versions: the log must extend each; only the newest are read. */
const checkedVersions = 100

async function checkVersions(working: Working): Promise<void> {
  const { store, listed } = working.input
  const versions = listed.filter(({ key, isDeleteMarker }) => key === checkpointKey && !isDeleteMarker)
  for (const { version } of versions.slice(-checkedVersions)) {
    const bytes = await store.get(checkpointKey, { version })
    const checkpoint = bytes && readCheckpoint(working, bytes, checkpointKey)
    // The newest may be ahead of the listing on an archive in use.
    const isListed = checkpoint !== undefined && checkpoint.treeSize <= working.state.entries.length
    if (isListed) checkExtends(working, checkpoint, checkpointKey)
  }
}

/** On an archive in use the checkpoint may have moved on while we listed. */
function newestCheckpoint(working: Working, checkpoint: Checkpoint | undefined): Checkpoint | undefined {
  const { checkpoint: before, checkpointAfter: after } = working.input
  if (after === undefined || before?.equals(after) === true) return checkpoint
  return readCheckpoint(working, after, checkpointKey)
}

/** Where something must be that extends from the entries, the log's checkpoint included. */
function checkHeads(working: Working, checkpoint: Checkpoint | undefined): void {
  checkAge(working, newestCheckpoint(working, checkpoint))
  checkRemembered(working)
}

async function checkCosigned(
  working: Working,
  checkpoint: Checkpoint | undefined,
): Promise<readonly WitnessedHead[]> {
  const { input, findings, trust } = working
  const read = (bytes: Buffer, object: string): Checkpoint | undefined => {
    const found = readCheckpoint(working, bytes, object)
    // On an archive in use one may be newer than the entries that were read.
    if (found !== undefined && found.treeSize <= working.state.entries.length)
      checkExtends(working, found, object)
    return found
  }
  const cosigned = await readCosigned({ store: input.store, listed: input.listed, read }, findings)
  checkPublished(cosigned, checkpoint, findings)
  return witnessedHeads(cosigned, trust)
}

/** Checks the log; resolves to how far its checkpoint reaches, `undefined` where there is none. */
export async function checkLog(input: LogInput, findings: Findings): Promise<Anchor | undefined> {
  const { trust } = input
  const working: Working = { input, findings, trust, state: emptyLog(), batches: new Map() }
  checkStrangers(working)
  await readEntries(working)
  const checkpoint = input.checkpoint && readCheckpoint(working, input.checkpoint, checkpointKey)
  checkHeads(working, checkpoint)
  await checkVersions(working)
  const heads = await checkCosigned(working, checkpoint)
  const size = checkpoint?.treeSize ?? 0
  await checkTiles(working, size)
  if (checkpoint === undefined) {
    note(working, 'log.absent', { object: checkpointKey, reason: 'no checkpoint: nothing is anchored' })
    return undefined
  }
  checkExtends(working, checkpoint, checkpointKey)
  await checkBatches(working, checkpoint)
  const newest = checkEntries(working, size)
  const until = anchoredUntil(working, newest)
  noteUnanchored(working, until)
  checkClocks({ entries: working.state.entries.slice(0, size), committed: input.committed, heads }, findings)
  return anchorOf(working, checkpoint, { until, heads })
}

function anchorOf(
  working: Working,
  { origin, treeSize, root }: Checkpoint,
  { until, heads }: { readonly until: Anchor['until']; readonly heads: readonly WitnessedHead[] },
): Anchor {
  const { trust, findings } = working
  const isSignatureChecked = logKeys(trust).length > 0
  if (!isSignatureChecked) {
    const reason = 'its signature was not checked: no verifier key was given'
    note(working, 'log.key', { object: checkpointKey, reason })
  }
  const witnessed = trust.policy && witnessedBy(heads, { policy: trust.policy, treeSize }, findings)
  return { origin, treeSize, root: root.toString('hex'), isSignatureChecked, until, witnessed }
}
