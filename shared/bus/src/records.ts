import { Buffer } from 'node:buffer'
import { AppError } from '@muniment/schema'
import type { OutgoingRecord, TopicPartition } from './bus.ts'

/** Most bytes of one record with key and headers: Kafka's default `message.max.bytes` less the framing of a batch. */
export const maxRecordTotalBytes = 1_000_000

const framingBytes = 32

/** Bytes a record takes on a bus, from above. */
export function recordBytes(record: OutgoingRecord): number {
  let bytes = record.value.byteLength + framingBytes
  if (record.key !== null) bytes += Buffer.byteLength(record.key)
  for (const name in record.headers) {
    bytes += name.length * 3 + Buffer.byteLength(record.headers[name] ?? '') + 4
  }
  return bytes
}

/** Throws `BUS_REJECTED` for a record that no bus would take. */
export function checkRecord(topic: string, record: OutgoingRecord, partitions: number): void {
  const bytes = recordBytes(record)
  if (bytes > maxRecordTotalBytes) {
    throw new AppError(
      'BUS_REJECTED',
      `a record for ${topic} has ${bytes} bytes; at most ${maxRecordTotalBytes} fit`,
      {
        hint: 'Split the value, or store it elsewhere and publish a reference.',
        details: { topic, bytes, maxBytes: maxRecordTotalBytes },
      },
    )
  }
  const { partition } = record
  if (partition === undefined) return
  if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return
  throw new AppError(
    'BUS_REJECTED',
    `${topic} has no partition ${partition}; it has ${partitions} partitions`,
    {
      hint: 'Name a partition that exists, or none.',
      details: { topic, partition, partitions },
    },
  )
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
