import { open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { SealedRecord } from '../batch.ts'
import { errorCode, listSegments, segmentFile, type SegmentName } from './names.ts'
import { decodeRecords, readBytes } from './segment.ts'

/** Reads one lane's folder, oldest first, deleting segments once they are finished and acknowledged. */
export interface SegmentReader {
  /** Records that follow the acknowledged ones, about `maxBytes` of them; none where nothing whole is there. */
  readonly read: (maxBytes: number) => Promise<readonly SealedRecord[]>
  /** Acknowledges what the last `read` returned. */
  readonly commit: () => void
}

export interface ReaderOptions {
  readonly folder: string
  /** Whether nothing more will be written to an open segment; asked after it was found. */
  readonly isAbandoned: (segment: SegmentName) => boolean | Promise<boolean>
  /** Called with how much could not be read, and why. */
  readonly onDamage: (file: string, lostBytes: number, records: number) => void
}

interface Position {
  number: number
  offset: number
  readBytes: number
}

async function readAt(path: string, offset: number, maxBytes: number): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(size - offset, Math.max(maxBytes, readBytes))))
    const { bytesRead } = await file.read(bytes, 0, bytes.length, offset)
    return bytes.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** The segment may be renamed or removed between listing and opening; then the next look finds it. */
async function readSegment(path: string, offset: number, maxBytes: number): Promise<Buffer | undefined> {
  try {
    return await readAt(path, offset, maxBytes)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

interface State extends ReaderOptions {
  readonly position: Position
}

/** Renamed before its end is read: a writer that is alive after all finds its file gone, and writes what it wrote last again. */
async function claim({ folder, isAbandoned }: State, segment: SegmentName): Promise<SegmentName | undefined> {
  if (!segment.isOpen || !(await isAbandoned(segment))) return segment
  const file = segmentFile(segment.number, false)
  const isClaimed = await rename(join(folder, segment.file), join(folder, file)).then(
    () => true,
    () => false,
  )
  return isClaimed ? { ...segment, file, isOpen: false } : undefined
}

/** Records of one segment; `undefined` where it is finished and gone. */
async function readFrom(
  state: State,
  found: SegmentName,
  maxBytes: number,
): Promise<readonly SealedRecord[] | undefined> {
  const { folder, position, onDamage } = state
  if (found.number > position.number) Object.assign(position, { number: found.number, offset: 0 })
  const segment = await claim(state, found)
  if (segment === undefined) return []
  const path = join(folder, segment.file)
  const bytes = await readSegment(path, position.offset, maxBytes)
  if (bytes === undefined) return []
  const { records, consumedBytes, damaged } = decodeRecords(bytes)
  if (damaged > 0) onDamage(path, 0, damaged)
  position.readBytes = consumedBytes
  if (records.length > 0 || segment.isOpen) return records
  if (bytes.length > 0) onDamage(path, bytes.length, 0)
  await rm(path, { force: true })
  return undefined
}

export function createSegmentReader(options: ReaderOptions): SegmentReader {
  const position: Position = { number: -1, offset: 0, readBytes: 0 }
  const state: State = { ...options, position }
  return {
    read: async maxBytes => {
      position.readBytes = 0
      for (const segment of await listSegments(options.folder)) {
        if (segment.number < position.number) continue
        const records = await readFrom(state, segment, maxBytes)
        if (records !== undefined) return records
      }
      return []
    },
    commit: () => {
      position.offset += position.readBytes
      position.readBytes = 0
    },
  }
}
