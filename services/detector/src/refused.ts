import { publishDeadLetter, type Bus, type BusRecord, type OutgoingRecord } from '@muniment/bus'
import { retryWhileUnreachable, type Logger } from '@muniment/runtime'
import type { AppError, Signal } from '@muniment/schema'
import { signalRecord } from './signal-record.ts'

/** A record that is put aside, and why. */
export interface Refused {
  readonly record: BusRecord
  readonly error: AppError
}

const aspect = '#refused'
/** Headers are bounded like every name that came from outside. */
const longestName = 256

/**
 * Says that a record was not judged, so that whoever makes one fail does not escape unseen. It is made of the record's place and its headers
 * alone, never of what made a detector fail, and is numbered by that place. Of a record that says so itself nothing is said: else one that fails would go round for ever.
 */
function refusedRecord({ record, error }: Refused, stage: string): OutgoingRecord | undefined {
  const { headers, topic, partition, offset, timestampMs } = record
  if (headers['mun_lane']?.includes(aspect) === true) return undefined
  const tenant = (headers['mun_tenant'] ?? 'default').slice(0, longestName)
  const signal: Signal = {
    event_id: (headers['ce_id'] ?? `${topic}/${partition}/${offset}`).slice(0, longestName),
    time: new Date(timestampMs).toISOString(),
    tenant,
    kind: 'heartbeat',
    principal: 'anonymous',
    hits: [],
    refused: { stage, code: error.code, place: `${topic}/${partition}/${offset}` },
    lane: `${topic}/${partition}${aspect}`,
    seq: offset,
  }
  return signalRecord(`refused:${tenant}`, signal)
}

/** The signals that say which records were not judged. */
export function refusedRecords(refused: readonly Refused[], stage: string): readonly OutgoingRecord[] {
  return refused.flatMap(each => refusedRecord(each, stage) ?? [])
}

/** Where dead letters go, and who is told how many. */
export interface PutAside {
  readonly bus: Bus
  readonly log: Logger
  readonly signal: AbortSignal
  readonly onDeadLetters?: ((count: number) => void) | undefined
}

/** Publishes dead letters; durable when it resolves. */
export async function putAside(to: PutAside, refused: readonly Refused[], stage: string): Promise<void> {
  const { bus, signal, log, onDeadLetters } = to
  for (const { record, error } of refused)
    await retryWhileUnreachable(() => publishDeadLetter(bus, record, { error, stage }), { signal, log })
  if (refused.length > 0) onDeadLetters?.(refused.length)
}
