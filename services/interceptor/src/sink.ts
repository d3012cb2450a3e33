import type { SealedRecord } from './batch.ts'
import { noCancel, pause, type Clock } from './clock.ts'
import { problemOf, type OnProblem } from './problem.ts'
import type { Spool } from './spool/spool.ts'

/** Where sealed records go. */
export interface Sink extends AsyncDisposable {
  /** Durable when it resolves; where it rejects the caller writes the same records again. */
  write(records: readonly SealedRecord[]): Promise<void>
  /** Resolves once nothing waits in the spool that this sink itself is to bring to the bus. */
  drained(): Promise<void>
  /** As the last act of a process. */
  writeSync(records: readonly SealedRecord[]): void
}

/** Everything goes to the spool, which another process drains. */
export function createSpoolSink(spool: Spool): Sink {
  return {
    write: records => spool.append(records),
    drained: () => Promise.resolve(),
    writeSync: records => spool.appendSync(records),
    [Symbol.asyncDispose]: () => spool[Symbol.asyncDispose](),
  }
}

export interface BusSinkOptions {
  /** Durable when it resolves; may reject, or take as long as it likes. */
  readonly publish: (records: readonly SealedRecord[]) => Promise<void>
  readonly spool: Spool
  readonly clock: Clock
  readonly onProblem: OnProblem
  /** How long a publish may take before what follows goes to the spool. */
  readonly stallMs?: number
}

const defaultStallMs = 1000
const firstRetryMs = 250
const lastRetryMs = 5000
const drainBytes = 1024 * 1024

interface State extends BusSinkOptions {
  readonly stallMs: number
  /** While it is true everything goes behind what lies in the spool. */
  hasBacklog: boolean
  isDraining: boolean
  isClosed: boolean
  /** A publish that was given up on and may still succeed: nothing else is sent before it is settled. */
  late: Promise<unknown>
  /** Counts beginnings and ends of appends: odd while one is under way. */
  appends: number
  waiting: (() => void)[]
}

type Attempt = 'done' | 'failed' | 'stalled'

async function attempt(state: State, records: readonly SealedRecord[]): Promise<Attempt> {
  const { publish, clock, stallMs, onProblem } = state
  const sent = state.late
    .then(() => publish(records))
    .then(
      (): Attempt => 'done',
      (error: unknown): Attempt => {
        if (!state.isClosed) onProblem(problemOf(error, 'The bus did not take a batch'))
        return 'failed'
      },
    )
  state.late = sent
  let cancel = noCancel
  const stalled = new Promise<Attempt>(resolve => {
    cancel = clock.after(stallMs, () => resolve('stalled'))
  })
  const outcome = await Promise.race([sent, stalled])
  cancel()
  return outcome
}

type Drained = 'empty' | 'sent' | 'failed' | 'unsure'

async function drainOnce(state: State): Promise<Drained> {
  const { appends, spool } = state
  try {
    const records = await spool.peek(drainBytes)
    // Empty only if nothing was being appended while it was looked at.
    if (records.length === 0) return appends === state.appends && appends % 2 === 0 ? 'empty' : 'unsure'
    await state.publish(records)
    await spool.drop()
    return 'sent'
  } catch (error) {
    if (!state.isClosed) state.onProblem(problemOf(error, 'The spool could not be drained to the bus'))
    return 'failed'
  }
}

async function drain(state: State): Promise<void> {
  if (state.isDraining) return
  state.isDraining = true
  await state.late
  let retryMs = firstRetryMs
  while (!state.isClosed) {
    const outcome = await drainOnce(state)
    if (outcome === 'empty') {
      state.hasBacklog = false
      for (const done of state.waiting.splice(0)) done()
      break
    }
    retryMs = outcome === 'failed' ? Math.min(lastRetryMs, retryMs * 2) : firstRetryMs
    if (outcome === 'failed') await pause(state.clock, retryMs)
    if (outcome === 'unsure') await pause(state.clock, 1)
  }
  state.isDraining = false
}

async function append(state: State, records: readonly SealedRecord[]): Promise<void> {
  const wasEmpty = !state.hasBacklog
  state.hasBacklog = true
  state.appends += 1
  try {
    await state.spool.append(records)
    void drain(state)
  } catch (error) {
    // Nothing lies before these records, so the next try may go to the bus again.
    if (wasEmpty) state.hasBacklog = false
    throw error
  } finally {
    state.appends += 1
  }
}

async function write(state: State, records: readonly SealedRecord[]): Promise<void> {
  if (!state.hasBacklog && (await attempt(state, records)) === 'done') return
  await append(state, records)
}

/** To the bus one batch at a time; where that fails or stalls to the spool, and through it until it is empty, so that order is kept. */
export function createBusSink(options: BusSinkOptions): Sink {
  const { spool, stallMs = defaultStallMs } = options
  const state: State = {
    ...options,
    stallMs,
    hasBacklog: false,
    isDraining: false,
    isClosed: false,
    late: Promise.resolve(),
    appends: 0,
    waiting: [],
  }
  return {
    write: records => write(state, records),
    drained: () =>
      state.hasBacklog ? new Promise(resolve => state.waiting.push(resolve)) : Promise.resolve(),
    writeSync: records => spool.appendSync(records),
    [Symbol.asyncDispose]: async () => {
      state.isClosed = true
      await spool[Symbol.asyncDispose]()
    },
  }
}
