import { AppError } from '@muniment/schema'
import { createDeferred, type Deferred } from '../deferred.ts'
import { recordBytes } from '../records.ts'
import type { OutgoingRecord } from '../bus.ts'

/** What waits at most: the client itself would take 20 times as much memory for it. */
const maxQueuedBytes = 64 * 1024 * 1024
/** One request: whatever its partitions, none of its batches is larger than brokers take by default. */
const maxLoadBytes = 1_000_000

interface Call {
  readonly topic: string
  readonly records: readonly OutgoingRecord[]
  readonly bytes: number
  readonly deadlineMs: number
  readonly settled: Deferred<void>
  /** Records before this one are durable. */
  sent: number
  /** Shares no request with others, so that a refusal hits the one it is meant for. */
  isAlone: boolean
}

interface Share {
  readonly call: Call
  /** Records of the call up to here are in the load. */
  readonly end: number
}

/** What goes out in one request: the same records in the same order, however often it is sent. */
export interface Load {
  readonly topic: string
  readonly records: readonly OutgoingRecord[]
  readonly deadlineMs: number
  readonly shares: readonly Share[]
}

/** Records that wait for their turn, by the calls they came with. */
export interface Accumulator {
  /** Resolves when all records are durable. */
  readonly add: (topic: string, records: readonly OutgoingRecord[], deadlineMs: number) => Promise<void>
  /** The next load; it stays queued until one of the calls below. */
  readonly peek: () => Load | undefined
  readonly succeed: (load: Load) => void
  /** Rejects the calls whose deadline has passed. */
  readonly expire: (nowMs: number, error: AppError) => void
  /** Rejects the call that was refused; where several shared the load, each goes alone the next time. */
  readonly refuse: (load: Load, error: AppError) => void
  readonly rejectAll: (error: AppError) => void
}

function takeRecords(call: Call, records: OutgoingRecord[], bytesBefore: number): number {
  let bytes = bytesBefore
  for (let index = call.sent; index < call.records.length; index++) {
    const record = call.records[index]
    if (record === undefined) break
    const more = recordBytes(record)
    if (records.length > 0 && bytes + more > maxLoadBytes) return bytes
    bytes += more
    records.push(record)
  }
  return bytes
}

function takeLoad(calls: readonly Call[]): Load | undefined {
  const [head] = calls
  if (head === undefined) return undefined
  const records: OutgoingRecord[] = []
  const shares: Share[] = []
  let bytes = 0
  for (const call of calls) {
    if (call.topic !== head.topic) continue
    if (call !== head && (call.isAlone || head.isAlone)) break
    const before = records.length
    bytes = takeRecords(call, records, bytes)
    const end = call.sent + records.length - before
    if (end > call.sent) shares.push({ call, end })
    if (end < call.records.length) break
  }
  return { topic: head.topic, records, deadlineMs: head.deadlineMs, shares }
}

function overflow(): AppError {
  return new AppError('DEPENDENCY_UNREACHABLE', `${maxQueuedBytes} bytes already wait to be published`, {
    hint: 'Publish less at once, or wait for what was published before.',
    details: { maxQueuedBytes },
  })
}

interface State {
  calls: Call[]
  queuedBytes: number
}

function remove(state: State, isOver: (call: Call) => boolean, settle: (call: Call) => void): void {
  const over = state.calls.filter(isOver)
  if (over.length === 0) return
  state.calls = state.calls.filter(call => !isOver(call))
  for (const call of over) {
    state.queuedBytes -= call.bytes
    settle(call)
  }
}

async function add(state: State, call: Omit<Call, 'bytes' | 'settled' | 'sent' | 'isAlone'>): Promise<void> {
  let bytes = 0
  for (const record of call.records) bytes += recordBytes(record)
  if (state.queuedBytes > 0 && state.queuedBytes + bytes > maxQueuedBytes) throw overflow()
  state.queuedBytes += bytes
  const settled = createDeferred<void>()
  state.calls.push({ ...call, bytes, settled, sent: 0, isAlone: false })
  await settled.promise
}

function refuse(state: State, { shares }: Load, error: AppError): void {
  if (shares.length > 1) {
    for (const { call } of shares) call.isAlone = true
    return
  }
  const isRefused = (call: Call): boolean => call === shares[0]?.call
  remove(state, isRefused, call => call.settled.reject(error))
}

function isDone(call: Call): boolean {
  return call.sent >= call.records.length
}

export function createAccumulator(): Accumulator {
  const state: State = { calls: [], queuedBytes: 0 }
  return {
    add: (topic, records, deadlineMs) => add(state, { topic, records, deadlineMs }),
    peek: () => takeLoad(state.calls),
    succeed: ({ shares }) => {
      for (const { call, end } of shares) call.sent = end
      remove(state, isDone, call => call.settled.resolve(undefined))
    },
    expire: (nowMs, error) => {
      const isLate = (call: Call): boolean => call.deadlineMs <= nowMs
      remove(state, isLate, call => call.settled.reject(error))
    },
    refuse: (load, error) => refuse(state, load, error),
    rejectAll: error =>
      remove(
        state,
        () => true,
        call => call.settled.reject(error),
      ),
  }
}
