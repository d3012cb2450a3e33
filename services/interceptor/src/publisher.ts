import {
  maxPlainBytes,
  pack,
  packSync,
  parcels,
  type NumberedFrame,
  type Packer,
  type Parcel,
  type SealedRecord,
  type Sealer,
} from './batch.ts'
import { pause, type Clock } from './clock.ts'
import { describe, type DescribeOptions } from './describe.ts'
import type { Lane } from './lane.ts'
import { problem, problemOf, type OnProblem } from './problem.ts'
import type { Entry } from './record.ts'
import type { Ring } from './ring.ts'
import type { Sink } from './sink.ts'

/** Moves records from the ring to the sink, in order, one batch at a time. */
export interface Publisher {
  /** Something was put into the ring. */
  readonly notify: () => void
  /** Resolves when everything recorded so far is durable; never, while it cannot become so. */
  readonly flush: () => Promise<void>
  /** Resolves as soon as the record with this number is durable, which is then not put off for others; never, while it cannot become so. Nothing where there is no number. */
  readonly durable: (seq: number | undefined) => Promise<void> | undefined
  /** Writes what is left at once, as the last act of a process; returns how many records could not be written. */
  readonly flushSync: () => number
  readonly stats: () => PublisherStats
}

export interface PublisherStats {
  readonly publishedRecords: number
  readonly publishedBytes: number
}

export interface PublisherOptions {
  readonly ring: Ring<Entry>
  readonly ringMaxBytes: number
  readonly lane: () => Lane
  readonly describe: DescribeOptions
  readonly packer: Packer
  readonly sink: Sink
  readonly clock: Clock
  readonly onProblem: OnProblem
  /** How long a record may wait for others before its batch is closed. */
  readonly windowMs: number
}

interface Awaited {
  readonly seq: number
  readonly resolve: () => void
}

interface State extends PublisherOptions {
  isRunning: boolean
  cancelWindow: (() => void) | undefined
  /** Taken from the ring, not yet described. */
  entries: readonly Entry[]
  /** Described, not yet durable. */
  parcels: readonly Parcel[]
  waiting: (() => void)[]
  /** Up to where the lane is durable, and who waits for numbers beyond, in their order. */
  durableSeq: number
  readonly awaited: Awaited[]
  publishedRecords: number
  publishedBytes: number
}

/** Taken from the ring at once: several batches, so that one write to the disk serves them all. */
const haulBytes = 4 * maxPlainBytes
const haulItems = 8000
/** How much is serialised in one go before other work of the process gets its turn: about half a millisecond. */
const sliceBytes = 128 * 1024
/** The same where the ring fills up, because a turn of a busy process may take long: about two milliseconds. */
const urgentSliceBytes = 512 * 1024
const urgentShare = 0.25
const firstRetryMs = 250
const lastRetryMs = 5000
const keyPollMs = 500

/** The first number that an entry takes; a heartbeat repeats its lane's last one and takes none. */
function coverage({ seq, item }: Entry): number {
  if (item.type === 'gap') return item.gap.fromSeq
  return item.type === 'lane' && item.state === 'alive' ? seq + 1 : seq
}

/** A number must not stay empty because its record cannot be described: then a gap says so. */
function describeOne(state: State, entry: Entry): NumberedFrame {
  const { seq } = entry
  const firstSeq = coverage(entry)
  try {
    return { firstSeq, lastSeq: seq, frame: describe(entry, state.describe) }
  } catch (error) {
    state.onProblem(problemOf(error, 'A record could not be described'))
    const gap = { fromSeq: firstSeq, toSeq: seq, count: seq - firstSeq + 1, reason: 'undescribable' }
    const item = { type: 'gap', gap, timeMs: state.clock.nowMs() } as const
    return { firstSeq, lastSeq: seq, frame: describe({ ...entry, item }, state.describe) }
  }
}

async function describeAll(state: State, entries: readonly Entry[]): Promise<NumberedFrame[]> {
  const frames: NumberedFrame[] = []
  const isUrgent = state.ring.sizeBytes() > state.ringMaxBytes * urgentShare
  const atOnceBytes = isUrgent ? urgentSliceBytes : sliceBytes
  let slice = 0
  for (const entry of entries) {
    frames.push(describeOne(state, entry))
    slice += entry.sizeBytes
    if (slice < atOnceBytes) continue
    slice = 0
    await pause(state.clock, 0)
  }
  return frames
}

async function sealerOf(state: State): Promise<Sealer> {
  for (;;) {
    const sealer = state.packer.sealer()
    if (sealer !== undefined) return sealer
    state.onProblem(
      problem(
        'SECRET_MISSING',
        'There is no ingest key yet: what is observed waits in memory.',
        'Start `muniment up` once with the same MUNIMENT_HOME, or set MUNIMENT_INGEST_KEY.',
      ),
    )
    await pause(state.clock, keyPollMs)
  }
}

function count(state: State, records: readonly SealedRecord[]): void {
  for (const { frames } of state.parcels) state.publishedRecords += frames.length
  for (const { value } of records) state.publishedBytes += value.length
}

/** Everything up to the last of these parcels is durable. */
function settleUpTo(state: State, written: readonly Parcel[]): void {
  state.durableSeq = Math.max(state.durableSeq, written.at(-1)?.lastSeq ?? -1)
  const { awaited, durableSeq } = state
  const next = awaited.findIndex(({ seq }) => seq > durableSeq)
  const reached = next === -1 ? awaited.length : next
  for (const { resolve } of awaited.splice(0, reached)) resolve()
}

/** Packs and writes what is in hand, again and again until it is durable: what was taken from the ring is never given up. */
async function deliver(state: State): Promise<void> {
  let retryMs = firstRetryMs
  for (;;) {
    const sealer = await sealerOf(state)
    try {
      const packed = await Promise.all(state.parcels.map(parcel => pack(parcel, state.packer, sealer)))
      const records = packed.flat()
      await state.sink.write(records)
      count(state, records)
      settleUpTo(state, state.parcels)
      state.parcels = []
      return
    } catch (error) {
      state.onProblem(problemOf(error, 'A batch could not be written'))
    }
    await pause(state.clock, retryMs)
    retryMs = Math.min(lastRetryMs, retryMs * 2)
  }
}

async function takeUp(state: State): Promise<void> {
  if (state.entries.length === 0)
    state.entries = state.ring.take({ maxBytes: haulBytes, maxItems: haulItems })
  const frames = await describeAll(state, state.entries)
  state.parcels = parcels(state.lane().name, frames)
  state.entries = []
}

async function publishNext(state: State): Promise<void> {
  // Nothing is taken before it can be sealed, so that the bound of the ring holds.
  await sealerOf(state)
  if (state.parcels.length === 0) await takeUp(state)
  await deliver(state)
  if (state.ring.length() === 0) state.lane().settle()
}

function hasWork({ ring, entries, parcels: described }: State): boolean {
  return ring.length() + entries.length + described.length > 0
}

async function run(state: State): Promise<void> {
  if (state.isRunning) return
  state.isRunning = true
  while (hasWork(state)) {
    try {
      await publishNext(state)
    } catch (error) {
      // What is in hand stays there, so the same records are tried again.
      state.onProblem(problemOf(error, 'Records could not be published'))
      await pause(state.clock, lastRetryMs)
    }
  }
  state.isRunning = false
  for (const done of state.waiting.splice(0)) done()
}

function notify(state: State): void {
  if (state.isRunning || state.cancelWindow !== undefined) return
  const { clock, windowMs } = state
  state.cancelWindow = clock.after(windowMs, () => {
    state.cancelWindow = undefined
    void run(state)
  })
}

function hurry(state: State): void {
  state.cancelWindow?.()
  state.cancelWindow = undefined
  void run(state)
}

function durable(state: State, seq: number | undefined): Promise<void> | undefined {
  if (seq === undefined) return undefined
  if (seq <= state.durableSeq) return Promise.resolve()
  return new Promise(resolve => {
    state.awaited.push({ seq, resolve })
    hurry(state)
  })
}

function flushSync(state: State): number {
  const { packer, sink, ring } = state
  const left = [...state.entries, ...ring.take({ maxBytes: Infinity, maxItems: Infinity })]
  const sealer = packer.sealer()
  if (sealer === undefined) return left.length
  const rest = parcels(
    state.lane().name,
    left.map(entry => describeOne(state, entry)),
  )
  const all = [...state.parcels, ...rest]
  try {
    sink.writeSync(all.flatMap(parcel => packSync(parcel, packer, sealer)))
    settleUpTo(state, all)
    return 0
  } catch (error) {
    state.onProblem(problemOf(error, 'The last records could not be written'))
    return all.reduce((sum, parcel) => sum + parcel.frames.length, 0)
  }
}

export function createPublisher(options: PublisherOptions): Publisher {
  const state: State = {
    ...options,
    isRunning: false,
    cancelWindow: undefined,
    entries: [],
    parcels: [],
    waiting: [],
    durableSeq: -1,
    awaited: [],
    publishedRecords: 0,
    publishedBytes: 0,
  }
  return {
    notify: () => notify(state),
    flush: () => {
      if (!state.isRunning && state.ring.length() === 0) return Promise.resolve()
      const done = new Promise<void>(resolve => state.waiting.push(resolve))
      void run(state)
      return done
    },
    durable: seq => durable(state, seq),
    flushSync: () => flushSync(state),
    stats: () => ({ publishedRecords: state.publishedRecords, publishedBytes: state.publishedBytes }),
  }
}
