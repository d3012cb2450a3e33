import type { BusRecord } from '@muniment/bus'
import { AppError, type MunimentEvent } from '@muniment/schema'

type Fields = Readonly<Record<string, unknown>>

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}

function isPosition(source: unknown): boolean {
  if (!isFields(source) || typeof source['instance'] !== 'string') return false
  return Number.isSafeInteger(source['epoch']) && Number.isSafeInteger(source['seq'])
}

function isTime(value: unknown): boolean {
  return typeof value === 'string' && Number.isFinite(Date.parse(value))
}

/** What is read below is there; the masker, which alone writes events, answers for the rest. */
function isEvent(value: Fields): boolean {
  const isNamed = typeof value['id'] === 'string' && typeof value['tenant'] === 'string'
  const isDated = isTime(value['time']) && typeof value['kind'] === 'string'
  const pii = value['pii']
  return isNamed && isDated && isPosition(value['source']) && isFields(pii) && Array.isArray(pii['findings'])
}

function isMunimentEvent(value: unknown): value is MunimentEvent {
  return isFields(value) && isEvent(value)
}

/** The event of a record; throws `BATCH_MALFORMED` or `SCHEMA_UNKNOWN`. */
export function parseEvent(record: BusRecord): MunimentEvent {
  let value: unknown
  try {
    value = JSON.parse(
      Buffer.from(record.value.buffer, record.value.byteOffset, record.value.byteLength).toString(),
    )
  } catch (error) {
    throw new AppError('BATCH_MALFORMED', 'an event is not JSON', { cause: error })
  }
  if (!isMunimentEvent(value))
    throw new AppError('SCHEMA_UNKNOWN', 'an event lacks its id, time, tenant, kind or source')
  return value
}
