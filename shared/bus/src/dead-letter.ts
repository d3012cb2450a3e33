import { createHash } from 'node:crypto'
import { deadLetterTopic, topic as topics, type AppError } from '@muniment/schema'
import { maxRecordTotalBytes, recordBytes } from './records.ts'
import type { Bus, BusRecord, OutgoingRecord } from './bus.ts'

/** Names of the error headers; the meaning of each is that of Kafka Connect's `__connect.errors.*`. */
const header = {
  topic: 'mun_error_topic',
  partition: 'mun_error_partition',
  offset: 'mun_error_offset',
  code: 'mun_error_code',
  stage: 'mun_error_stage',
  message: 'mun_error_message',
  cutFrom: 'mun_error_cut_from_bytes',
} as const

const errorHeaderNames: ReadonlySet<string> = new Set(Object.values(header))
const maxMessageCharacters = 500

/** Why a record was given up. */
export interface GivenUp {
  /** Its message says what happened, without a word of the payload. */
  readonly error: AppError
  /** The worker that gave up, such as `masker`. */
  readonly stage: string
}

function deadLetterRecord(record: BusRecord, { error, stage }: GivenUp): OutgoingRecord {
  const { key, value } = record
  const headers: Record<string, string> = {
    ...record.headers,
    [header.topic]: record.topic,
    [header.partition]: String(record.partition),
    [header.offset]: String(record.offset),
    [header.code]: error.code,
    [header.stage]: stage,
    [header.message]: error.message.slice(0, maxMessageCharacters),
  }
  const whole = { key, value, headers }
  if (recordBytes(whole) <= maxRecordTotalBytes) return whole
  headers[header.cutFrom] = String(value.byteLength)
  const envelopeBytes = recordBytes({ key, value: new Uint8Array(), headers })
  return { key, value: value.subarray(0, Math.max(0, maxRecordTotalBytes - envelopeBytes)), headers }
}

/**
 * Puts a record that a worker gives up on where `muniment dlq` finds it: original bytes, key and headers, and `mun_error_…` headers that say where it was and why.
 * Durable when it resolves: only then may the offset move. A value that leaves no room for the reasons is cut, which a header tells, so that no record blocks its partition for ever.
 */
export async function publishDeadLetter(bus: Bus, record: BusRecord, reason: GivenUp): Promise<void> {
  await bus.publish(deadLetterTopic(record.topic), [deadLetterRecord(record, reason)])
}

/** A dead letter as it lies on its topic, taken apart again. */
export interface DeadLetter {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly code: string
  readonly stage: string
  readonly message: string
  /** Present where the value was too large to be kept whole. */
  readonly cutFromBytes?: number
  /** The record as it was, for its old partition. */
  readonly original: OutgoingRecord
}

/** The original of a record of a dead-letter topic and the reason it is there; `undefined` where it carries none. */
export function openDeadLetter({ key, value, headers }: BusRecord): DeadLetter | undefined {
  const topic = headers[header.topic]
  const partition = Number(headers[header.partition])
  const offset = Number(headers[header.offset])
  if (topic === undefined || !Number.isInteger(partition) || !Number.isInteger(offset)) return undefined
  const cutFrom = headers[header.cutFrom]
  const own = Object.fromEntries(Object.entries(headers).filter(([name]) => !errorHeaderNames.has(name)))
  return {
    topic,
    partition,
    offset,
    code: headers[header.code] ?? '',
    stage: headers[header.stage] ?? '',
    message: headers[header.message] ?? '',
    ...(cutFrom !== undefined && { cutFromBytes: Number(cutFrom) }),
    original: { key, value, headers: own, partition },
  }
}

/** What is the same in every dead letter of one batch or event, however often it was published and given up. */
function identityOf({
  topic,
  partition,
  offset,
  original: { key, headers },
}: DeadLetter): readonly unknown[] {
  const { mun_first: first, mun_last: last, mun_lane: lane, mun_seq: seq } = headers
  if (first !== undefined) return [topic, key, first, last]
  return seq === undefined ? [topic, partition, offset] : [topic, lane, seq]
}

/**
 * The record for a second try. Its lane gets a suffix of its own, so that the watermarks of those who read let it pass, once: the suffix is the same
 * for every dead letter of the same numbers.
 */
export function replayOf(letter: DeadLetter): OutgoingRecord {
  const { topic, original } = letter
  const replayId = createHash('sha256')
    .update(JSON.stringify(identityOf(letter)))
    .digest('hex')
    .slice(0, 16)
  const { headers } = original
  if (topic === topics.raw) return { ...original, headers: { ...headers, mun_replay: replayId } }
  const { mun_lane: lane } = headers
  return lane === undefined
    ? original
    : { ...original, headers: { ...headers, mun_lane: `${lane}~${replayId}` } }
}
