import { Worker } from 'node:worker_threads'
import { AppError } from '@muniment/schema'
import type { SealedRecord } from './batch.ts'
import type { Arriving } from './guard/guard.ts'
import type { KafkaSettings } from './kafka-settings.ts'
import type { Settings } from './settings.ts'
import type { OnProblem, Problem } from './problem.ts'
import { threadFile } from './thread-file.ts'

/** Publishes to `mcp.calls.raw` on Kafka, and reads `mcp.control`. */
export interface RawPublisher extends AsyncDisposable {
  publish(records: readonly SealedRecord[]): Promise<void>
  /** Reads all decisions there are and then those that come, verified with these public keys; returns how to stop. */
  follow(publicKeys: readonly string[], listen: (arriving: Arriving) => void): () => void
}

/** What the thread is started with. */
export interface WorkerSettings {
  readonly kafka: KafkaSettings
  readonly topicPrefix: string | undefined
}

/** A batch on its way to the thread. */
export interface Outgoing {
  readonly id: number
  readonly records: readonly SealedRecord[]
}

/** What the thread is asked to do. */
export type ToWorker = Outgoing | { readonly followWith: readonly string[] }

/** What became of a batch. */
export interface Outcome {
  readonly id: number
  readonly problem?: Problem
}

/** What the thread tells. */
export type FromWorker = Outcome | Arriving | { readonly trouble: Problem }

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

interface Following {
  readonly publicKeys: readonly string[]
  readonly listeners: readonly ((arriving: Arriving) => void)[]
}

interface State {
  readonly settings: WorkerSettings
  readonly onProblem: OnProblem
  following: Following | undefined
  readonly waiting: Map<number, Waiting>
  worker: Worker | undefined
  nextId: number
}

function unreachable(what: string, cause?: unknown): AppError {
  return new AppError('DEPENDENCY_UNREACHABLE', `The thread that talks to Kafka ${what}.`, { cause })
}

function failAll({ waiting }: State, error: Error): void {
  for (const { reject } of waiting.values()) reject(error)
  waiting.clear()
}

function settle({ waiting }: State, { id, problem }: Outcome): void {
  const one = waiting.get(id)
  waiting.delete(id)
  if (problem === undefined) one?.resolve()
  else one?.reject(new AppError(problem.code, problem.message, { hint: problem.hint }))
}

function hear(state: State, told: FromWorker): void {
  if ('id' in told) settle(state, told)
  else if ('trouble' in told) state.onProblem(told.trouble)
  else for (const listen of state.following?.listeners ?? []) listen(told)
}

/** Nobody may be left to publish for a while, but decisions must go on coming. */
function startAgain(state: State): void {
  if (state.following === undefined) return
  const timer = setTimeout(() => {
    if (state.following !== undefined) state.worker ??= start(state)
  }, restartMs)
  timer.unref()
}

const restartMs = 1000

/**
 * A thread of its own, because connections and timers of a Kafka client keep their process alive, and an observed process must
 * end when its own work is done.
 */
function start(state: State): Worker {
  const worker = new Worker(threadFile('main-kafka'), { workerData: state.settings, stdout: true })
  const gone = (error: Error): void => {
    if (state.worker !== worker) return
    state.worker = undefined
    failAll(state, error)
    startAgain(state)
  }
  worker.on('message', (told: FromWorker) => hear(state, told))
  worker.on('error', cause => gone(unreachable('failed', cause)))
  worker.on('exit', () => gone(unreachable('ended')))
  worker.unref()
  if (state.following !== undefined) tell(worker, { followWith: state.following.publicKeys })
  return worker
}

function tell(worker: Worker, message: ToWorker): void {
  worker.postMessage(message, [])
}

/** Opens the way to Kafka; connects for the first batch and reconnects by itself. */
export function openRawPublisher({ bus, kafka, topicPrefix, onProblem }: Settings): RawPublisher {
  if (kafka === undefined) throw new AppError('CONFIG_INVALID', `The bus ${bus} has no brokers.`)
  const settings = { kafka, topicPrefix }
  const state: State = {
    settings,
    onProblem,
    following: undefined,
    waiting: new Map(),
    worker: undefined,
    nextId: 0,
  }
  return {
    publish: records =>
      new Promise((resolve, reject) => {
        const id = state.nextId++
        state.waiting.set(id, { resolve, reject })
        state.worker ??= start(state)
        tell(state.worker, { id, records })
      }),
    follow: (publicKeys, listen) => {
      const listeners = [...(state.following?.listeners ?? []), listen]
      state.following = { publicKeys, listeners }
      // Who comes later hears everything again, which changes nothing for the others.
      if (state.worker === undefined) state.worker = start(state)
      else tell(state.worker, { followWith: publicKeys })
      return () => {
        state.following = undefined
      }
    },
    [Symbol.asyncDispose]: async () => {
      const { worker } = state
      state.worker = undefined
      state.following = undefined
      failAll(state, unreachable('was stopped'))
      await worker?.terminate()
    },
  }
}
