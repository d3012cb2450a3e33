import { Buffer } from 'node:buffer'
import type { BusRecord, OutgoingRecord, TopicPartition } from '../bus.ts'

/** Consecutive records of one partition in one database row: u32 length of the descriptions, descriptions, values. */
export interface Chunk {
  readonly place: TopicPartition
  readonly firstOffset: number
  readonly timestampMs: number
  readonly body: Uint8Array
}

type Description = readonly [
  key: string | null,
  valueBytes: number,
  headers: Readonly<Record<string, string>>,
]

const lengthBytes = 4

export function encodeChunk(records: readonly OutgoingRecord[]): Buffer {
  const descriptions = records.map((record): Description => [
    record.key,
    record.value.byteLength,
    record.headers,
  ])
  const head = JSON.stringify(descriptions)
  const headBytes = Buffer.byteLength(head)
  let size = lengthBytes + headBytes
  for (const { value } of records) size += value.byteLength
  const body = Buffer.allocUnsafe(size)
  body.writeUInt32LE(headBytes)
  body.write(head, lengthBytes)
  let at = lengthBytes + headBytes
  for (const { value } of records) {
    body.set(value, at)
    at += value.byteLength
  }
  return body
}

/** The values share the memory of the chunk. */
export function decodeChunk({ place, firstOffset, timestampMs, body }: Chunk): BusRecord[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const headEnd = lengthBytes + bytes.readUInt32LE()
  const descriptions: readonly Description[] = JSON.parse(bytes.toString('utf8', lengthBytes, headEnd))
  const { topic, partition } = place
  let end = headEnd
  return descriptions.map(([key, valueBytes, headers], index) => {
    const start = end
    end += valueBytes
    const value = bytes.subarray(start, end)
    return { topic, partition, offset: firstOffset + index, key, value, headers, timestampMs }
  })
}
