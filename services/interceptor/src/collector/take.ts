import { batchHeaders, isAppError, maxRecordBytes, parseBatchHeaders } from '@muniment/schema'
import type { SealedRecord } from '../batch.ts'
import { ownsLane } from './device.ts'
import type { ByteRate } from './rate.ts'
import type { Replays } from './replays.ts'
import { readBody } from './wire.ts'

/** What a request comes to: 204 only if everything of it is on the bus. */
export interface Taken {
  readonly status: 204 | 400 | 401 | 403 | 404 | 405 | 413 | 415 | 429 | 503
  /** In a word, for logs and metrics. */
  readonly why: string
  readonly retryAfterMs?: number
  readonly records?: number
}

/** Where batches go, and what holds them back. */
export interface Intake {
  /** Durable when it resolves. */
  readonly publish: (records: readonly SealedRecord[]) => Promise<void>
  readonly replays: Replays
  readonly rate: ByteRate
  readonly publishTimeoutMs: number
  /** Told of what failed on our side. */
  readonly onFailure: (error: unknown) => void
}

const busAway: Taken = { status: 503, why: 'bus_away', retryAfterMs: 2000 }

/** The record with nothing but what a batch has: what else stood in its head does not reach the bus. Throws for what is no batch. */
function batchOf({ key, headers, value }: SealedRecord): SealedRecord {
  return { key, headers: batchHeaders(parseBatchHeaders(key, headers)), value }
}

function readBatches(body: Buffer): readonly SealedRecord[] | undefined {
  const records = readBody(body)
  if (records?.every(({ value }) => value.length > 0 && value.length <= maxRecordBytes) !== true)
    return undefined
  try {
    return records.map(batchOf)
  } catch (error) {
    if (isAppError(error)) return undefined
    throw error
  }
}

/** Whether it is on the bus in time; what comes there later is a duplicate of what the device sends again. */
async function isPublished(
  { publish, publishTimeoutMs, onFailure }: Intake,
  records: readonly SealedRecord[],
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>(resolve => {
    timer = setTimeout(() => resolve(false), publishTimeoutMs)
  })
  const sent = publish(records).then(
    () => true,
    (error: unknown) => {
      onFailure(error)
      return false
    },
  )
  try {
    return await Promise.race([sent, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Puts what an authenticated device sent on the bus, unread. */
export async function take(intake: Intake, device: string, body: Buffer): Promise<Taken> {
  const { rate, replays } = intake
  rate.take(device, body.length)
  const batches = readBatches(body)
  if (batches === undefined) return { status: 400, why: 'malformed' }
  if (!batches.every(({ key }) => ownsLane(device, key))) return { status: 403, why: 'foreign_lane' }
  const fresh = replays.fresh(batches)
  if (fresh.length > 0 && !(await isPublished(intake, fresh))) return busAway
  replays.remember(fresh)
  return { status: 204, why: 'taken', records: fresh.length }
}
