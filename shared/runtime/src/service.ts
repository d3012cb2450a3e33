import { isAppError, type ErrorCode } from '@muniment/schema'
import { startHealth, type HealthServer, type ReadinessCheck } from './health.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { systemClock, type Clock, type Task } from './task.ts'
import type { Logger } from './logger.ts'

type StopSignal = 'SIGTERM' | 'SIGINT'

/** Where signals come from: a process, or a test. */
export interface SignalSource {
  on(signal: StopSignal, listener: (signal: StopSignal) => void): unknown
  off(signal: StopSignal, listener: (signal: StopSignal) => void): unknown
}

/** What a process runs, and how it stops. */
export interface ServiceOptions {
  readonly name: string
  /** By name, for logs and `/readyz`. */
  readonly tasks: Readonly<Record<string, Task>>
  readonly log: Logger
  /** Longest wait for the work in hand after the wish to stop. */
  readonly drainTimeoutMs: number
  /** Where to serve health; absent = nowhere. */
  readonly http?: { readonly host: string; readonly port: number } | undefined
  readonly metrics?: Metrics | undefined
  /** Checks beside the tasks' own state. */
  readonly checks?: Readonly<Record<string, ReadinessCheck>> | undefined
  readonly signals?: SignalSource
  readonly clock?: Clock
  /** Another way to ask for the end, as when a demonstration is over. */
  readonly signal?: AbortSignal
}

const signalNames: readonly StopSignal[] = ['SIGTERM', 'SIGINT']
// Under npm one Ctrl-C may arrive twice, from the terminal and from npm.
const sameWishMs = 1_000
const fine = 0
const failed = 1

const exitCodes: Partial<Record<ErrorCode, number>> = {
  CONFIG_INVALID: 2,
  INVALID_INPUT: 2,
  SECRET_MISSING: 2,
  SECRET_DENIED: 2,
  SECRET_MALFORMED: 2,
  STORE_UNSAFE: 2,
  STORE_REFUSED: 2,
  BUS_REJECTED: 2,
  QUERY_INVALID: 2,
  QUERY_LIMIT: 2,
  DEPENDENCY_UNREACHABLE: 3,
}

/** Exit code for what ended a command: 2 = configuration, 3 = a dependency cannot be reached, 1 = anything else. */
export function exitCodeOf(error: unknown): number {
  return isAppError(error) ? (exitCodes[error.code] ?? failed) : failed
}

interface Stop extends Disposable {
  /** Aborts with the first wish to stop, or with the first failure. */
  readonly signal: AbortSignal
  readonly now: () => void
  /** Resolves when the wait for the work in hand is over. */
  readonly impatient: Promise<string>
}

function watchSignals({ signals, clock = systemClock, drainTimeoutMs, log, signal }: ServiceOptions): Stop {
  const source: SignalSource = signals ?? process
  const aborter = new AbortController()
  const { promise: impatient, resolve } = Promise.withResolvers<string>()
  let firstMs: number | undefined
  let timer: NodeJS.Timeout | undefined
  const stop = (): void => {
    if (aborter.signal.aborted) return
    timer = setTimeout(resolve, drainTimeoutMs, `not done within ${drainTimeoutMs} ms`)
    aborter.abort()
  }
  const onSignal = (name: StopSignal): void => {
    const nowMs = clock.monotonicMs()
    if (firstMs !== undefined && nowMs - firstMs > sameWishMs) resolve(`a second ${name}`)
    if (firstMs === undefined) log.info('service.stopping', { signal: name })
    firstMs ??= nowMs
    stop()
  }
  for (const name of signalNames) source.on(name, onSignal)
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted === true) stop()
  return {
    signal: aborter.signal,
    now: stop,
    impatient,
    [Symbol.dispose]() {
      clearTimeout(timer)
      for (const name of signalNames) source.off(name, onSignal)
      signal?.removeEventListener('abort', stop)
    },
  }
}

type TaskState = 'running' | 'ended' | 'failed'

interface Work {
  /** 0, or the exit code of the first failure. */
  readonly done: Promise<number>
  readonly states: ReadonlyMap<string, TaskState>
}

function startTasks({ tasks, log }: ServiceOptions, stop: Stop): Work {
  const states = new Map<string, TaskState>()
  let exitCode = fine
  const runs = Object.entries(tasks).map(async ([name, task]) => {
    states.set(name, 'running')
    try {
      await task.run(stop.signal)
      states.set(name, 'ended')
    } catch (error) {
      states.set(name, 'failed')
      log.error('service.task_failed', { task: name, error })
      if (exitCode === fine) exitCode = exitCodeOf(error)
      stop.now()
    }
  })
  return { done: Promise.all(runs).then(() => exitCode), states }
}

function checksOf({ checks = {} }: ServiceOptions, stop: Stop, work: Work): Record<string, ReadinessCheck> {
  return {
    ...checks,
    service: () => (stop.signal.aborted ? 'stopping' : undefined),
    tasks: () => {
      const down = [...work.states]
        .filter(([, state]) => state !== 'running')
        .map(([name, state]) => `${name} ${state}`)
      return down.length === 0 ? undefined : down.join(', ')
    },
  }
}

async function serveHealth(
  options: ServiceOptions,
  stop: Stop,
  work: Work,
): Promise<HealthServer | undefined> {
  if (options.http === undefined) return undefined
  const metrics = options.metrics ?? createMetrics({ withProcess: true })
  return await startHealth({ ...options.http, metrics, checks: checksOf(options, stop, work) })
}

/**
 * Runs tasks until they end, one fails, or SIGTERM or SIGINT arrives; then turns unready, aborts them and waits for the work in hand.
 * Resolves with the exit code: 0, that of the first failure, or 1 where the wait ended by `drainTimeoutMs` or by another signal more than a second later; in that case
 * tasks may still hang, so the caller ends the process with it. Sets the umask to 077.
 */
export async function runService(options: ServiceOptions): Promise<number> {
  const { name, log } = options
  process.umask(0o077)
  using stop = watchSignals(options)
  log.info('service.started', { service: name, tasks: Object.keys(options.tasks) })
  const work = startTasks(options, stop)
  try {
    await using health = await serveHealth(options, stop, work)
    if (health !== undefined) log.info('service.health', { url: health.url })
    const outcome = await Promise.race([work.done, stop.impatient])
    if (typeof outcome === 'number') {
      log.info('service.stopped', { service: name, exitCode: outcome })
      return outcome
    }
    const hanging = [...work.states].filter(([, state]) => state === 'running').map(([task]) => task)
    log.error('service.cut_short', { service: name, reason: outcome, tasks: hanging })
    return failed
  } catch (error) {
    stop.now()
    log.error('service.failed', { service: name, error })
    await Promise.race([work.done, stop.impatient])
    return exitCodeOf(error)
  }
}
