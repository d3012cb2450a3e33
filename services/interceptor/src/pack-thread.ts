import { Worker, type WorkerOptions } from 'node:worker_threads'
import type { Packer, PlainBatch, SealedRecord } from './batch.ts'
import { problemOf, type OnProblem } from './problem.ts'
import { threadFile } from './thread-file.ts'

/** A batch on its way to the thread. */
export interface ToPack extends PlainBatch {
  readonly id: number
  readonly keyText: string
}

/** What became of it. */
export interface Packed {
  readonly id: number
  readonly records: readonly SealedRecord[]
}

/** Packs on a thread of its own. */
export interface PackThread extends AsyncDisposable {
  readonly pack: NonNullable<Packer['packElsewhere']>
}

type Settle = (records: readonly SealedRecord[] | undefined) => void

interface State {
  readonly onProblem: OnProblem
  readonly startAtBytes: number
  /** What it was asked to pack in this second. */
  askedBytes: number
  secondEndsMs: number
  readonly waiting: Map<number, Settle>
  worker: Worker | undefined
  /** It ended by itself: what it cannot do here it would not do next time either. */
  hasFailed: boolean
  idle: NodeJS.Timeout | undefined
  nextId: number
}

/** In a second: it takes 23 MB and 75 ms of CPU to start one, which a large message now and then is not worth. */
const defaultStartAtBytes = 2 * 1024 * 1024
const idleMs = 30_000

async function stop(state: State): Promise<void> {
  const { worker } = state
  state.worker = undefined
  clearTimeout(state.idle)
  for (const settle of state.waiting.values()) settle(undefined)
  state.waiting.clear()
  await worker?.terminate()
}

function fail(state: State, error: unknown): void {
  state.hasFailed = true
  state.onProblem(problemOf(error, 'The thread that packs batches failed, so they are packed without it'))
  void stop(state)
}

/** Neither flags nor the environment of the process are for it: what they preload would be loaded twice. */
const alone: WorkerOptions = { execArgv: [], env: {}, stdout: true }

function start(state: State): Worker {
  const worker = new Worker(threadFile('main-pack'), alone)
  worker.on('message', ({ id, records }: Packed) => {
    state.waiting.get(id)?.(records)
    state.waiting.delete(id)
    if (state.waiting.size === 0) state.idle?.refresh()
  })
  worker.on('error', error => {
    if (state.worker === worker) fail(state, error)
  })
  worker.on('exit', code => {
    if (state.worker === worker) fail(state, new Error(`It ended with code ${code}.`))
  })
  worker.unref()
  state.idle = setTimeout(() => {
    if (state.waiting.size === 0) void stop(state)
  }, idleMs).unref()
  return worker
}

function isWorthIt(state: State, { plain }: PlainBatch): boolean {
  const nowMs = performance.now()
  if (nowMs > state.secondEndsMs) Object.assign(state, { askedBytes: 0, secondEndsMs: nowMs + 1000 })
  state.askedBytes += plain.length
  return state.worker !== undefined || state.askedBytes >= state.startAtBytes
}

/** Gives it the batch with its memory. */
function send(state: State, message: ToPack): void {
  const { buffer } = message.plain
  state.worker ??= start(state)
  state.idle?.refresh()
  state.worker.postMessage(message, buffer instanceof ArrayBuffer ? [buffer] : [])
}

/** Opens a thread that starts when there is much to pack, ends when there is nothing for a while, and never keeps the process alive. */
export function openPackThread(onProblem: OnProblem, startAtBytes = defaultStartAtBytes): PackThread {
  const state: State = {
    onProblem,
    startAtBytes,
    askedBytes: 0,
    secondEndsMs: 0,
    waiting: new Map(),
    worker: undefined,
    hasFailed: false,
    idle: undefined,
    nextId: 0,
  }
  return {
    pack: async (batch, { keyText }) => {
      if (state.hasFailed || keyText === undefined || !isWorthIt(state, batch)) return undefined
      const id = state.nextId++
      try {
        send(state, { ...batch, id, keyText })
      } catch (error) {
        // As where the process may start no threads.
        fail(state, error)
        return undefined
      }
      return await new Promise(resolve => state.waiting.set(id, resolve))
    },
    [Symbol.asyncDispose]: () => stop(state),
  }
}
