import { createHash } from 'node:crypto'
import { publishDeadLetter, type BusRecord } from '@muniment/bus'
import { uuidv7, type AppError, type BatchHeaders, type Observation } from '@muniment/schema'
import { build, persist, queue, type Work } from './work.ts'

interface GapFacts {
  readonly tenant: string
  readonly reason: string
  readonly version: string
}

/** An event that stands for the numbers of a batch that was given up, and says why; the same for every attempt. */
function gapFor(first: BusRecord, headers: BatchHeaders, facts: GapFacts): Observation | undefined {
  const { lane, firstSeq, lastSeq } = headers
  const slash = lane.lastIndexOf('/')
  const epoch = Number(lane.slice(slash + 1))
  if (slash < 1 || !Number.isSafeInteger(epoch)) return undefined
  const place = `${first.topic}/${first.partition}/${first.offset}`
  return {
    v: 1,
    id: uuidv7(first.timestampMs, createHash('sha256').update(place).digest()),
    time: new Date(first.timestampMs).toISOString(),
    tenant: facts.tenant,
    kind: 'gap',
    gap: {
      from_seq: firstSeq,
      to_seq: lastSeq,
      reason: facts.reason,
      count: lastSeq - firstSeq + 1,
      claimed: true,
    },
    source: { instance: lane.slice(0, slash), epoch, seq: lastSeq, version: facts.version },
  }
}

/** The batch, as far as it could be read. */
interface Fault {
  readonly error: AppError
  readonly headers?: BatchHeaders | undefined
}

/**
 * Publishes a gap event for the numbers that a batch held, as far as none of them has been published. A whole batch with the same
 * numbers is still taken, and mends it. The headers are not authenticated and this memory does not outlive a restart, so the
 * event only claims its range; those who read it know for certain how far the lane has come, and refuse a claim that jumps.
 */
async function publishGap(work: Work, first: BusRecord, { error, headers }: Fault): Promise<void> {
  if (headers === undefined || first.headers['mun_replay'] !== undefined) return
  const { lane, lastSeq } = headers
  const { lanes } = work.state
  const { nextSeq = 0, tenant = 'default' } = lanes.get(lane) ?? {}
  // A batch may begin with a heartbeat, which repeats a number that was published.
  const missing = lanes.has(lane, headers.firstSeq) ? { ...headers, firstSeq: nextSeq } : headers
  if (missing.firstSeq > lastSeq) return
  const gap = gapFor(first, missing, { tenant, reason: error.code, version: work.options.version })
  if (!gap) return
  const event = await build(work, { frame: { envelope: new Uint8Array(0) }, observation: gap }, '')
  await queue(work, lane, [event])
}

/** Puts records into the dead-letter topic as they came, still sealed, and says in their lane that they are missing. */
export async function giveUp(work: Work, records: readonly BusRecord[], fault: Fault): Promise<void> {
  const { bus, log } = work.options
  const { error, headers } = fault
  log.warn('masker.gave_up', { code: error.code, lane: headers?.lane, records: records.length })
  for (const record of records)
    await persist(work, async () => publishDeadLetter(bus, record, { error, stage: 'masker' }))
  work.options.onDone?.({ events: 0, deadLetters: records.length })
  const [first] = records
  if (first !== undefined) await publishGap(work, first, fault)
}
