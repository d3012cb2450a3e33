import { checkRecord, recordBytes, unknownTopic } from '../records.ts'
import { encodeChunk } from './chunk.ts'
import { chunkId, partRow, type PartRow, type Statements } from './statements.ts'
import type { OutgoingRecord } from '../bus.ts'
import type { Partitioner } from '../partition.ts'

const maxChunkRecords = 1000
const maxChunkBytes = 1024 * 1024

/** Records of one partition, encoded outside the transaction. */
export interface Parcel {
  readonly partId: number
  readonly count: number
  /** The record's key where older records of the key become obsolete. */
  readonly key: string | null
  readonly body: Uint8Array
}

export interface PackOptions {
  readonly topic: string
  readonly parts: readonly PartRow[]
  readonly choose: Partitioner
}

function cut(records: readonly OutgoingRecord[], isCompacted: boolean): OutgoingRecord[][] {
  const pieces: OutgoingRecord[][] = []
  let piece: OutgoingRecord[] = []
  let bytes = 0
  for (const record of records) {
    bytes += recordBytes(record)
    const isFull = isCompacted || piece.length >= maxChunkRecords || bytes > maxChunkBytes
    if (isFull && piece.length > 0) {
      pieces.push(piece)
      piece = []
      bytes = recordBytes(record)
    }
    piece.push(record)
  }
  if (piece.length > 0) pieces.push(piece)
  return pieces
}

/** Sorts records by partition and encodes them; throws `BUS_REJECTED` for what cannot be published. */
export function pack(records: readonly OutgoingRecord[], { topic, parts, choose }: PackOptions): Parcel[] {
  if (parts.length === 0) throw unknownTopic(topic)
  const sorted = new Map<number, OutgoingRecord[]>()
  for (const record of records) {
    checkRecord(topic, record, parts.length)
    const index = choose(record, parts.length)
    const list = sorted.get(index)
    if (list === undefined) sorted.set(index, [record])
    else list.push(record)
  }
  return [...sorted].flatMap(([index, list]) => {
    const part = parts[index]
    if (part === undefined) throw unknownTopic(topic)
    const isCompacted = part.retentionMs === null
    return cut(list, isCompacted).map(piece => ({
      partId: part.id,
      count: piece.length,
      key: isCompacted ? (piece[0]?.key ?? null) : null,
      body: encodeChunk(piece),
    }))
  })
}

interface End {
  next: number
  timeMs: number
}

function endOf(statements: Statements, partId: number): End {
  const row = statements.part.get(partId)
  if (row === undefined) throw new Error(`partition ${partId} was removed from the database`)
  const { next, timeMs } = partRow(row)
  return { next, timeMs }
}

/** Appends inside a transaction; returns the next offset of each partition that grew. */
export function append(
  statements: Statements,
  parcels: readonly Parcel[],
  nowMs: number,
): ReadonlyMap<number, number> {
  const ends = new Map<number, End>()
  for (const { partId, count, key, body } of parcels) {
    const end = ends.get(partId) ?? endOf(statements, partId)
    ends.set(partId, end)
    // Append times of a partition never go back, so that its oldest records are also those first in order.
    end.timeMs = Math.max(nowMs, end.timeMs)
    statements.addChunk.run(chunkId(partId, end.next), count, end.timeMs, key, body)
    end.next += count
  }
  for (const [partId, { next, timeMs }] of ends) statements.movePart.run(next, timeMs, partId)
  return new Map([...ends].map(([partId, { next }]) => [partId, next]))
}
