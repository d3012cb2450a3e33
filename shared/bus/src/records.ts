import { Buffer } from 'node:buffer'
import { AppError } from '@muniment/schema'
import type { OutgoingRecord, TopicPartition } from './bus.ts'

/** Most bytes of one record with key and headers: Kafka's default `message.max.bytes` less the framing of a batch. */
export const maxRecordTotalBytes = 1_000_000

const framingBytes = 32

/** Most bytes of UTF-8 for one UTF-16 unit. */
const maxBytesPerUnit = 3

/** Bytes a record takes on a bus at most: what is text counts as if it were not ASCII, which saves looking at it. */
export function recordBytes({ key, value, headers }: OutgoingRecord): number {
  let units = key === null ? 0 : key.length
  for (const name in headers) units += name.length + (headers[name]?.length ?? 0) + 2
  return value.byteLength + units * maxBytesPerUnit + framingBytes
}

function exactBytes({ key, value, headers }: OutgoingRecord): number {
  let bytes = value.byteLength + framingBytes + Buffer.byteLength(key ?? '')
  for (const [name, text] of Object.entries(headers))
    bytes += Buffer.byteLength(name) + Buffer.byteLength(text) + 4
  return bytes
}

function checkSize(topic: string, record: OutgoingRecord): void {
  if (recordBytes(record) <= maxRecordTotalBytes) return
  const bytes = exactBytes(record)
  if (bytes <= maxRecordTotalBytes) return
  const message = `a record for ${topic} has ${bytes} bytes; at most ${maxRecordTotalBytes} fit`
  throw new AppError('BUS_REJECTED', message, {
    hint: 'Split the value, or store it elsewhere and publish a reference.',
    details: { topic, bytes, maxBytes: maxRecordTotalBytes },
  })
}

/** Throws `BUS_REJECTED` for a record that no bus would take. */
export function checkRecord(topic: string, record: OutgoingRecord, partitions: number): void {
  checkSize(topic, record)
  const { partition } = record
  if (partition === undefined) return
  if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return
  const message = `${topic} has no partition ${partition}; it has ${partitions} partitions`
  throw new AppError('BUS_REJECTED', message, {
    hint: 'Name a partition that exists, or none.',
    details: { topic, partition, partitions },
  })
}

export function unknownTopic(topic: string): AppError {
  return new AppError('BUS_REJECTED', `the topic ${topic} does not exist on this bus`, {
    hint: 'Create the topics first: `muniment doctor` tells which are missing.',
    details: { topic },
  })
}

export function busClosed(): AppError {
  return new AppError('BUS_REJECTED', 'the bus is closed', {
    hint: 'Use the bus only before it is disposed.',
  })
}

/** A key for maps. */
export function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
