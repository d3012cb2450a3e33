import { Worker } from 'node:worker_threads'
import { AppError } from '@muniment/schema'
import type { SealedRecord } from './batch.ts'
import type { KafkaSettings } from './kafka-settings.ts'
import type { Settings } from './options.ts'
import type { Problem } from './problem.ts'

/** Publishes to `mcp.calls.raw` on Kafka. */
export interface RawPublisher extends AsyncDisposable {
  publish(records: readonly SealedRecord[]): Promise<void>
}

/** What the thread is started with. */
export interface WorkerSettings {
  readonly kafka: KafkaSettings
  readonly topicPrefix: string | undefined
}

/** A batch on its way to the thread. */
export interface ToWorker {
  readonly id: number
  readonly records: readonly SealedRecord[]
}

/** What became of a batch. */
export interface FromWorker {
  readonly id: number
  readonly problem?: Problem
}

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

interface State {
  readonly settings: WorkerSettings
  readonly waiting: Map<number, Waiting>
  worker: Worker | undefined
  nextId: number
}

/** Sources and compiled files have different names. */
function workerFile(): URL {
  const [, ending = 'js'] = /\.(\w+)$/u.exec(import.meta.url) ?? []
  return new URL(`./main-kafka.${ending}`, import.meta.url)
}

function unreachable(what: string, cause?: unknown): AppError {
  return new AppError('DEPENDENCY_UNREACHABLE', `The thread that talks to Kafka ${what}.`, { cause })
}

function failAll({ waiting }: State, error: Error): void {
  for (const { reject } of waiting.values()) reject(error)
  waiting.clear()
}

function settle({ waiting }: State, { id, problem }: FromWorker): void {
  const one = waiting.get(id)
  waiting.delete(id)
  if (problem === undefined) one?.resolve()
  else one?.reject(new AppError(problem.code, problem.message, { hint: problem.hint }))
}

/**
 * A thread of its own, because connections and timers of a Kafka client keep their process alive, and an observed process must
 * end when its own work is done.
 */
function start(state: State): Worker {
  const worker = new Worker(workerFile(), { workerData: state.settings, stdout: true })
  const gone = (error: Error): void => {
    if (state.worker !== worker) return
    state.worker = undefined
    failAll(state, error)
  }
  worker.on('message', (answer: FromWorker) => settle(state, answer))
  worker.on('error', cause => gone(unreachable('failed', cause)))
  worker.on('exit', () => gone(unreachable('ended')))
  worker.unref()
  return worker
}

/** Opens the way to Kafka; connects for the first batch and reconnects by itself. */
export function openRawPublisher({ bus, kafka, topicPrefix }: Settings): RawPublisher {
  if (kafka === undefined) throw new AppError('CONFIG_INVALID', `The bus ${bus} has no brokers.`)
  const state: State = { settings: { kafka, topicPrefix }, waiting: new Map(), worker: undefined, nextId: 0 }
  return {
    publish: records =>
      new Promise((resolve, reject) => {
        const id = state.nextId++
        state.waiting.set(id, { resolve, reject })
        state.worker ??= start(state)
        state.worker.postMessage({ id, records } satisfies ToWorker, [])
      }),
    [Symbol.asyncDispose]: async () => {
      const { worker } = state
      state.worker = undefined
      failAll(state, unreachable('was stopped'))
      await worker?.terminate()
    },
  }
}
