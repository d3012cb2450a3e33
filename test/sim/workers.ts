import { createArchiver, createNotary } from '@muniment/archiver'
import type { Bus } from '@muniment/bus'
import { createDetector } from '@muniment/detector'
import { createMasker, createNonces, type Mask } from '@muniment/masker'
import type { Logger, Task } from '@muniment/runtime'
import type { Keys } from '@muniment/keys'
import { AppError, isAppError } from '@muniment/schema'
import { openSimBus } from './bus.ts'
import { createProcess, type Process } from './process.ts'
import type { Random } from './random.ts'
import { sabotagedBus } from './sabotage.ts'
import { mask, pack, type Site } from './site.ts'
import { openSimState, openSimStore } from './store.ts'
import type { Trace } from './trace.ts'

/** The kinds of worker; two run of each. */
export const workerKinds = ['masker', 'detector', 'archiver', 'notary'] as const

type WorkerKind = (typeof workerKinds)[number]

/** A worker that is started again whenever it ends. */
export interface Worker {
  readonly kind: WorkerKind
  /** The one that runs now; dead while it waits to be started again. */
  readonly process: () => Process
  /** Ends it in order; resolves when it has ended. */
  readonly stop: () => Promise<unknown>
}

export interface WorkerOptions {
  readonly kind: WorkerKind
  readonly number: number
  readonly site: Site
  readonly random: Random
  /** With sabotage only: what was published so far. */
  readonly published: Set<string>
}

function silent(): void {
  return undefined
}

/** Only names and codes: what else a log line says may differ between two runs. */
function loggerOf(name: string, trace: Trace): Logger {
  const at = (event: string, facts: Readonly<Record<string, unknown>> = {}): void =>
    trace(name, `says ${event}${typeof facts['code'] === 'string' ? ` ${facts['code']}` : ''}`)
  const logger: Logger = { trace: silent, debug: silent, info: at, warn: at, error: at, child: () => logger }
  return logger
}

interface Made {
  readonly options: WorkerOptions
  readonly process: Process
  readonly bus: Bus
  readonly log: Logger
}

/** Now and then a key is not there yet: what it would have opened is given up, and can be replayed. */
function unsealer({ keys, surroundings: { faults } }: Site): Keys['unseal'] {
  return async (kid, sealed, aad) => {
    const opened = await keys.unseal(kid, sealed, aad)
    if (!faults.happens('keyMissing')) return opened
    throw new AppError('BATCH_UNREADABLE', 'The simulated key is not there yet.')
  }
}

async function openMask(): Promise<Mask> {
  return mask
}

function maskerTasks({ options: { site, random }, bus, log }: Made): readonly Task[] {
  const { digestKey } = site.keys
  const unseal = unsealer(site)
  const nonce = createNonces(random.bytes)
  return [createMasker({ bus, log, unseal, digestKey, openMask, nonce, version: '0.1.0' })]
}

function detectorTasks({ options: { site, random }, process, bus, log }: Made): readonly Task[] {
  const { content, behaviour } = createDetector({
    bus,
    state: openSimState(site.state, site.surroundings, process),
    evidenceKey: site.evidenceKey,
    log,
    now: process.clock.nowMs,
    pack,
    snapshot: { everyRecords: 5 + random.int(40), everyMs: 1000 + random.int(10_000) },
  })
  return [content, behaviour]
}

function archiverTasks({ options: { site, random }, process, bus, log }: Made): readonly Task[] {
  const archiver = createArchiver({
    bus,
    store: openSimStore(site.store, site.surroundings, process),
    keys: site.keys.segmentKeys,
    log,
    nowMs: process.clock.nowMs,
    random: random.next,
    after: process.after,
    cut: { maxEvents: 25 + random.int(70), maxAgeMs: 8000 + random.int(14_000) },
  })
  return [archiver]
}

function notaryTasks({ options: { site }, process, log }: Made): readonly Task[] {
  const notary = createNotary({
    store: openSimStore(site.store, site.surroundings, process),
    keys: site.keys,
    state: openSimState(site.state, site.surroundings, process),
    log,
    nowMs: process.clock.nowMs,
    after: process.after,
    intervalMs: 3000,
  })
  return [notary]
}

const makers: Readonly<Record<WorkerKind, (made: Made) => readonly Task[]>> = {
  masker: maskerTasks,
  detector: detectorTasks,
  archiver: archiverTasks,
  notary: notaryTasks,
}

function reasonOf(error: unknown): string {
  if (isAppError(error)) return `${error.code}: ${error.message}`
  return error instanceof Error ? `${error.name}: ${error.message}` : 'unknown'
}

interface Running {
  readonly process: Process
  readonly ended: Promise<unknown>
}

function start(options: WorkerOptions, incarnation: number): Running {
  const { kind, number, site, random, published } = options
  const { time, trace } = site.surroundings
  const name = `${kind}${number}.${incarnation}`
  const process = createProcess({ name, time, random, trace })
  trace(name, 'starts')
  const bus = sabotagedBus(openSimBus(site.broker, process), site.sabotage, published)
  const tasks = makers[kind]({ options, process, bus, log: loggerOf(name, trace) })
  const run = async (task: Task): Promise<void> => {
    try {
      await task.run(process.stop.signal)
    } catch (error) {
      if (!process.isAlive()) return
      trace(name, `ends with ${reasonOf(error)}`)
      process.crash()
    }
  }
  const runAll = async (): Promise<void> => {
    await Promise.all(tasks.map(run))
    process.crash()
  }
  void runAll()
  return { process, ended: new Promise<void>(resolve => process.onCrash(resolve)) }
}

/** Starts a worker and, whenever it dies, another in its place. */
export function superviseWorker(options: WorkerOptions): Worker {
  const { site, random } = options
  const { time } = site.surroundings
  let incarnation = 0
  let isStopping = false
  const startNext = (): Running => {
    const running = start(options, incarnation++)
    running.process.onCrash(() =>
      time.after(random.between(200, 4000), () => {
        if (!isStopping) current = startNext()
      }),
    )
    return running
  }
  let current = startNext()
  return {
    kind: options.kind,
    process: () => current.process,
    stop: () => {
      isStopping = true
      current.process.stop.abort()
      return current.ended
    },
  }
}
