import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import {
  access,
  mkdir,
  open as openFile,
  rename,
  rm,
  stat,
  writeFile,
  type FileHandle,
} from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '@muniment/schema'
import type { SealedRecord } from '../batch.ts'
import { errorCode, laneFolder, listSegments, ownerFile, segmentFile } from './names.ts'
import { thisProcess } from './owner.ts'
import { createSegmentReader, type SegmentReader } from './reader.ts'
import { encodeRecords } from './segment.ts'
import { spoolFull, type Spool } from './spool.ts'

/** Where a lane's spool lies and how large it may grow. */
export interface FileSpoolOptions {
  /** Folder of all spools, usually `$MUNIMENT_HOME/spool`. */
  readonly dir: string
  readonly lane: string
  readonly maxBytes: number
  /** Size at which a segment is closed; small ones are freed sooner. */
  readonly segmentBytes?: number
  /** After how long without a write a drainer could have taken this process for dead (default one minute). */
  readonly suspectAfterMs?: number
}

interface Writing {
  readonly number: number
  readonly file: FileHandle
  bytes: number
}

interface State {
  readonly folder: string
  readonly maxBytes: number
  readonly segmentBytes: number
  readonly suspectAfterMs: number
  lastWriteMs: number
  nextNumber: number
  writing: Writing | undefined
  /** Bytes in the folder when last counted, and appended since. */
  bytes: number
  hasEnded: boolean
}

const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
const ownerOnly = { file: 0o600, folder: 0o700 } as const
const ownerFlags = { mode: ownerOnly.file, flag: 'wx' } as const
const defaultSegmentBytes = 4 * 1024 * 1024
const defaultSuspectAfterMs = 60_000

function ignoreExisting(error: unknown): void {
  if (errorCode(error) !== 'EEXIST') throw error
}

function unusable(folder: string, cause: unknown): AppError {
  return new AppError('DISK_UNUSABLE', `The spool folder ${folder} cannot be written.`, { cause })
}

async function countBytes(folder: string): Promise<number> {
  const sizes = (await listSegments(folder)).map(({ file }) =>
    stat(join(folder, file)).then(
      ({ size }) => size,
      () => 0,
    ),
  )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

/** A new name in a folder survives a crash of the machine only after the folder itself was synchronised. */
async function syncFolder(folder: string): Promise<void> {
  const file = await openFile(folder, constants.O_RDONLY)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

async function startSegment(state: State): Promise<Writing> {
  const { folder } = state
  await mkdir(folder, { recursive: true, mode: ownerOnly.folder })
  await writeFile(join(folder, ownerFile), JSON.stringify(thisProcess()), ownerFlags).catch(ignoreExisting)
  // Taken before the wait: a process that ends meanwhile writes its last segment under a number of its own.
  const number = state.nextNumber++
  const open = join(folder, segmentFile(number, true))
  const file = await openFile(open, flags, ownerOnly.file)
  if (state.nextNumber !== number + 1) {
    // Something was written behind it meanwhile, and readers never go back.
    await file.close()
    await rm(open, { force: true })
    return startSegment(state)
  }
  state.writing = { number, file, bytes: 0 }
  await syncFolder(folder)
  return state.writing
}

async function finishSegment(state: State): Promise<void> {
  const { writing, folder } = state
  if (writing === undefined) return
  state.writing = undefined
  await writing.file.close()
  const open = join(folder, segmentFile(writing.number, true))
  // Tries on a full disk must not leave a file each.
  if (writing.bytes === 0) return rm(open, { force: true })
  // A drainer may have taken the file away already.
  await rename(open, join(folder, segmentFile(writing.number, false))).catch(() => undefined)
}

async function write(state: State, bytes: Buffer): Promise<void> {
  const writing = state.writing ?? (await startSegment(state))
  const { bytesWritten } = await writing.file.write(bytes, 0, bytes.length, writing.bytes)
  if (bytesWritten < bytes.length) throw new Error(`${bytesWritten} of ${bytes.length} bytes were written.`)
  await writing.file.datasync()
  writing.bytes += bytes.length
  state.bytes += bytes.length
  const idleMs = performance.now() - state.lastWriteMs
  state.lastWriteMs = performance.now()
  if (idleMs < state.suspectAfterMs) return
  const isStillThere = await access(join(state.folder, segmentFile(writing.number, true))).then(
    () => true,
    () => false,
  )
  if (isStillThere) return
  // A drainer took this process for dead, as after a long suspension, and the file away: write it again elsewhere.
  if (state.writing === writing) state.writing = undefined
  await writing.file.close()
  await write(state, bytes)
}

async function append(state: State, records: readonly SealedRecord[]): Promise<void> {
  const { folder, maxBytes } = state
  const bytes = encodeRecords(records)
  if (state.bytes + bytes.length > maxBytes) state.bytes = await countBytes(folder)
  if (state.bytes + bytes.length > maxBytes) throw spoolFull(folder, maxBytes)
  try {
    if (state.writing !== undefined && state.writing.bytes + bytes.length > state.segmentBytes)
      await finishSegment(state)
    await write(state, bytes)
  } catch (cause) {
    // What was half written is the torn tail of a closed segment, which readers skip; the next batch starts a new one.
    await finishSegment(state).catch(() => undefined)
    throw unusable(folder, cause)
  }
}

/** Closes the open segment without waiting: an asynchronous write may be under way in it, of what is written again now. */
function abandonSegment(state: State): void {
  const { writing, folder } = state
  if (writing === undefined) return
  state.writing = undefined
  const open = join(folder, segmentFile(writing.number, true))
  if (existsSync(open)) renameSync(open, join(folder, segmentFile(writing.number, false)))
  writing.file.close().catch(() => undefined)
}

function appendSync(state: State, records: readonly SealedRecord[]): void {
  const { folder } = state
  if (records.length === 0) return
  abandonSegment(state)
  mkdirSync(folder, { recursive: true, mode: ownerOnly.folder })
  // Anew, for an asynchronous write of it may have got no further than an empty file, and that names nobody.
  writeFileSync(join(folder, ownerFile), JSON.stringify(thisProcess()), { mode: ownerOnly.file })
  const number = state.nextNumber++
  const open = join(folder, segmentFile(number, true))
  const file = openSync(open, flags, ownerOnly.file)
  try {
    writeSync(file, encodeRecords(records))
    fdatasyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(open, join(folder, segmentFile(number, false)))
}

async function end(state: State, reader: SegmentReader): Promise<void> {
  if (state.hasEnded) return
  state.hasEnded = true
  await finishSegment(state)
  // Frees the segments of which every record was dropped.
  await reader.read(1).catch(() => [])
  await rm(join(state.folder, ownerFile), { force: true }).catch(() => undefined)
}

/** A spool in files. Nothing is created before the first append. */
export function openFileSpool(options: FileSpoolOptions): Spool {
  const { dir, lane, maxBytes } = options
  const folder = join(dir, laneFolder(lane))
  const state: State = {
    folder,
    maxBytes,
    segmentBytes: options.segmentBytes ?? defaultSegmentBytes,
    suspectAfterMs: options.suspectAfterMs ?? defaultSuspectAfterMs,
    lastWriteMs: performance.now(),
    nextNumber: 0,
    writing: undefined,
    bytes: 0,
    hasEnded: false,
  }
  const reader = createSegmentReader({
    folder,
    isAbandoned: ({ number }) => number !== state.writing?.number,
    onDamage: () => undefined,
  })
  return {
    append: records => append(state, records),
    appendSync: records => appendSync(state, records),
    peek: reader.read,
    drop: async () => reader.commit(),
    sizeBytes: () => state.bytes,
    [Symbol.asyncDispose]: () => end(state, reader),
  }
}
