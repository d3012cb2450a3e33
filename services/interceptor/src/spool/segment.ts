import { crc32 } from 'node:zlib'
import { isMembers } from '../json.ts'
import type { SealedRecord } from '../batch.ts'

/**
 * A segment file is a sequence of records: u32 little-endian length, u32 CRC-32 of what follows, then
 * u32 length of the JSON head (key and headers), the head, the value. Whatever was torn off by a crash fails length or CRC.
 */
const prefixBytes = 8
const maxPayloadBytes = 1024 * 1024

/** Bytes to read at once so that at least one whole record fits. */
export const readBytes = maxPayloadBytes + prefixBytes

function encodeRecord({ key, headers, value }: SealedRecord): Buffer {
  const head = Buffer.from(JSON.stringify({ key, headers }))
  const out = Buffer.allocUnsafe(prefixBytes + 4 + head.length + value.length)
  out.writeUInt32LE(out.length - prefixBytes, 0)
  out.writeUInt32LE(head.length, prefixBytes)
  head.copy(out, prefixBytes + 4)
  out.set(value, prefixBytes + 4 + head.length)
  out.writeUInt32LE(crc32(out.subarray(prefixBytes)), 4)
  return out
}

/** The bytes that append these records to a segment. */
export function encodeRecords(records: readonly SealedRecord[]): Buffer {
  return Buffer.concat(records.map(encodeRecord))
}

/** Whole records found at the beginning of some bytes. */
export interface Decoded {
  readonly records: readonly SealedRecord[]
  /** Bytes that were understood; the rest is incomplete or damaged. */
  readonly consumedBytes: number
  /** Records that were whole by length but not by checksum; they are skipped. */
  readonly damaged: number
}

function isHeaders(value: unknown): value is Readonly<Record<string, string>> {
  return isMembers(value) && Object.values(value).every(one => typeof one === 'string')
}

function decodePayload(payload: Buffer): SealedRecord | undefined {
  const headBytes = payload.readUInt32LE(0)
  if (4 + headBytes > payload.length) return undefined
  const head: unknown = JSON.parse(payload.toString('utf8', 4, 4 + headBytes))
  if (!isMembers(head)) return undefined
  const { key, headers } = head
  if (typeof key !== 'string' || !isHeaders(headers)) return undefined
  return { key, headers, value: payload.subarray(4 + headBytes) }
}

/** Reads whole records; stops where the bytes end in the middle of one or make no sense. A damaged record before sound ones is skipped. */
export function decodeRecords(bytes: Buffer): Decoded {
  const records: SealedRecord[] = []
  let at = 0
  let sound = 0
  let damaged = 0
  let skipped = 0
  while (at + prefixBytes <= bytes.length) {
    const length = bytes.readUInt32LE(at)
    const end = at + prefixBytes + length
    if (length < 4 || length > maxPayloadBytes || end > bytes.length) break
    const payload = bytes.subarray(at + prefixBytes, end)
    const record = crc32(payload) === bytes.readUInt32LE(at + 4) ? decodePayload(payload) : undefined
    at = end
    if (record === undefined) {
      skipped += 1
      continue
    }
    records.push(record)
    damaged += skipped
    skipped = 0
    sound = at
  }
  return { records, consumedBytes: sound, damaged }
}
