import { Buffer } from 'node:buffer'
import type { KafkaMessage, IHeaders } from 'kafkajs'
import type { Batch, BusRecord, TopicPartition } from '../bus.ts'

/** Most that is handed over at once. At least one record is, however large. */
export interface Limits {
  readonly records: number
  readonly bytes: number
}

const nothing = Buffer.alloc(0)

function headersOf(headers: IHeaders | undefined): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name]
    const last = Array.isArray(value) ? value.at(-1) : value
    if (last !== undefined) found[name] = last.toString()
  }
  return found
}

function recordOf(place: TopicPartition, message: KafkaMessage): BusRecord {
  return {
    topic: place.topic,
    partition: place.partition,
    offset: Number(message.offset),
    key: message.key === null ? null : message.key.toString(),
    value: message.value ?? nothing,
    headers: headersOf(message.headers),
    timestampMs: Number(message.timestamp),
  }
}

export interface Fetched {
  readonly place: TopicPartition
  readonly messages: readonly KafkaMessage[]
  /** Offset after everything the fetch covered, records or not. */
  readonly nextOffset: number
  readonly highWatermark: number
}

function lengthOf(message: KafkaMessage): number {
  return message.value?.byteLength ?? 0
}

/** Index after the last message that goes into a batch beginning at `start`. */
function endOfBatch(messages: readonly KafkaMessage[], start: number, limits: Limits): number {
  let bytes = 0
  let end = start
  for (const message of messages.slice(start, start + limits.records)) {
    bytes += lengthOf(message)
    if (end > start && bytes > limits.bytes) break
    end++
  }
  return end
}

/** Cuts what was fetched at once into batches within the limits. */
export function* cutBatches({ place, messages, ...fetched }: Fetched, limits: Limits): Generator<Batch> {
  const highWatermark = Math.max(fetched.highWatermark, fetched.nextOffset)
  for (let start = 0; start < messages.length;) {
    const end = endOfBatch(messages, start, limits)
    const records = messages.slice(start, end).map(message => recordOf(place, message))
    const following = (records.at(-1)?.offset ?? 0) + 1
    const nextOffset = end === messages.length ? fetched.nextOffset : following
    yield { ...place, records, nextOffset, highWatermark }
    start = end
  }
}
