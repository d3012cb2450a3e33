import type { BusRecord } from '@muniment/bus'
import { AppError, isAppError, parseBatchHeaders, type BatchHeaders, type ErrorCode } from '@muniment/schema'
import type { Assembled } from './assembler.ts'
import { readEnvelope, type BuiltEvent } from './build-event.ts'
import { giveUp } from './give-up.ts'
import { checkLane } from './lanes.ts'
import { openBatch } from './open-batch.ts'
import { build, persist, queue, type Opened, type Work } from './work.ts'

type WholeBatch = NonNullable<Assembled['whole']>

const inputFaults: ReadonlySet<ErrorCode> = new Set([
  'BATCH_MALFORMED',
  'BATCH_UNREADABLE',
  'SCHEMA_UNKNOWN',
  'KEY_UNKNOWN',
  'KEY_WRONG',
  'LIMIT_EXCEEDED',
])

/** Whether the input is at fault; any other failure is ours or a dependency's and must not cost the batch. */
function isInputFault(error: unknown): error is AppError {
  return isAppError(error) && inputFaults.has(error.code)
}

const replayId = /^[0-9a-f]{1,32}$/u

/** Sets the lane of a replay apart, so that what it mends passes the watermarks of those who read it. */
function laneSuffix(record: BusRecord | undefined): string {
  const id = record?.headers['mun_replay']
  return id !== undefined && replayId.test(id) ? `~${id}` : ''
}

async function open(work: Work, { headers, parts }: WholeBatch): Promise<readonly Opened[]> {
  const frames = await persist(work, async () => openBatch(parts, work.options.unseal))
  const opened = frames.map(frame => ({ frame, observation: readEnvelope(frame.envelope) }))
  checkLane(
    headers,
    opened.map(({ observation }) => observation),
  )
  return opened
}

function isHeartbeat({ observation: { lane } }: Opened): boolean {
  return lane?.state === 'alive'
}

/** Everything is masked before anything is queued: a batch is published as a whole or given up as a whole. */
async function maskBatch(work: Work, whole: WholeBatch): Promise<readonly BuiltEvent[]> {
  const suffix = laneSuffix(whole.records[0])
  const { lanes } = work.state
  const { firstSeq, lastSeq, lane } = whole.headers
  const laneKey = `${lane}${suffix}`
  const all = await open(work, whole)
  const events: BuiltEvent[] = []
  for (const opened of all)
    if (isHeartbeat(opened) || !lanes.has(laneKey, opened.observation.source.seq))
      events.push(await build(work, opened, suffix))
  // A heartbeat alone repeats a number, which may never have come.
  const own = all.findLast(opened => !isHeartbeat(opened))
  if (own) lanes.add(laneKey, { firstSeq, lastSeq, tenant: own.observation.tenant })
  return events
}

async function process(work: Work, whole: WholeBatch): Promise<void> {
  const events = await maskBatch(work, whole)
  await queue(work, whole.headers.lane, events)
  work.options.onDone?.({ events: events.length, deadLetters: 0 })
}

/** Takes in one record of the raw topic; what follows from it is queued on `work`. */
export async function takeIn(work: Work, record: BusRecord): Promise<void> {
  let headers: BatchHeaders | undefined
  let records: readonly BusRecord[] = [record]
  try {
    headers = parseBatchHeaders(record.key, record.headers)
    const { whole, broken } = work.state.assembler.add(record, headers)
    for (const cut of broken)
      await giveUp(work, cut.records, {
        error: new AppError('BATCH_MALFORMED', 'A split batch lacks some of its parts.'),
        headers: cut.headers,
      })
    if (!whole) return
    records = whole.records
    await process(work, whole)
  } catch (error) {
    if (!isInputFault(error)) throw error
    await giveUp(work, records, { error, headers })
  }
}
