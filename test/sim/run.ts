import { useTime } from './real.ts'
import { sweepAfterDeath } from './sweeper.ts'
import { check } from './check.ts'
import { whatIsLeft } from './drained.ts'
import { unleash } from './nemesis.ts'
import { replayLetters } from './operator.ts'
import { startProducer, type Poisoned, type Producer } from './producer.ts'
import { createRandom, type Random } from './random.ts'
import type { Sabotage } from './sabotage.ts'
import { openSite, type Site } from './site.ts'
import { createTime, type Time } from './time.ts'
import { createRecorder } from './trace.ts'
import { superviseWorker, workerKinds, type Worker } from './workers.ts'

/** What became of a seed. */
export interface Outcome {
  readonly seed: number
  /** Sentences; none where every promise was kept. */
  readonly violations: readonly string[]
  /** Names the order of everything that happened. */
  readonly digest: string
  readonly virtualMs: number
  readonly calls: number
  readonly manifests: number
}

export interface RunOptions {
  readonly sabotage?: Sabotage
  /** Receives the trace, a line a call. */
  readonly print?: (line: string) => void
}

/** Everything that runs in one simulation. */
export interface World {
  readonly site: Site
  readonly random: Random
  readonly workers: readonly Worker[]
  readonly producers: readonly Producer[]
  readonly poisoned: readonly Poisoned[]
}

const healAfterMs = 22_000
/** Longer than anything that was sent can be on its way. */
const landedAfterMs = 13_000
const drainLimitMs = 600_000
const stopLimitMs = 60_000
const callsEach = 14

function startWorkers(site: Site, random: Random): readonly Worker[] {
  const published = new Set<string>()
  const started: Worker[] = []
  for (const kind of workerKinds)
    for (let number = 0; number < 2; number++)
      started.push(
        superviseWorker({
          kind,
          number,
          site,
          random: random.fork(`${kind}${number}`),
          published,
        }),
      )
  return started
}

function openWorld(site: Site, random: Random): World {
  const poisoned: Poisoned[] = []
  const producers: Producer[] = []
  const { broker, ingestKey } = site
  let callId = 100
  const begin = (number: number): void => {
    const producer = startProducer({
      name: `server${number}`,
      broker,
      ingestKey,
      random: random.fork(`server${number}`),
      calls: 3 + random.int(callsEach),
      nextCallId: () => callId++,
      onPoisoned: each => poisoned.push(each),
    })
    producers.push(producer)
    sweepAfterDeath(broker, producer, random)
  }
  const workers = startWorkers(site, random)
  for (let number = 0; number < 2; number++) begin(number)
  for (let number = 2; number < 3 + random.int(2); number++)
    site.surroundings.time.after(random.between(0, healAfterMs / 2), () => begin(number))
  return { site, random, workers, producers, poisoned }
}

/** Whether something that is under way has come to its end. */
function watch(work: Promise<unknown>): () => boolean {
  let isOver = false
  const wait = async (): Promise<void> => {
    await work
    isOver = true
  }
  void wait()
  return () => isOver
}

/** Lets everything come to its end without further faults; says what does not. */
async function settleDown(world: World, time: Time): Promise<string | undefined> {
  const { producers, site, workers } = world
  site.surroundings.faults.heal()
  site.surroundings.trace('nemesis', 'leaves')
  const healedMs = time.nowMs()
  const alive = producers.filter(({ process }) => process.isAlive())
  const areClosed = watch(Promise.all(alive.map(producer => producer.close())))
  let left = 'a lane does not close'
  let isReplayed = false
  const look = async (): Promise<void> => {
    if (areClosed() && time.nowMs() > healedMs + landedAfterMs) left = await whatIsLeft(world)
    if (left === '' && !isReplayed) {
      replayLetters(site.broker)
      isReplayed = true
      left = 'the replay of dead letters'
    }
    time.after(500, () => void look())
  }
  await look()
  if (!(await time.pass(() => left === '', healedMs + drainLimitMs))) return `stuck: ${left}`
  const haveStopped = watch(Promise.all(workers.map(worker => worker.stop())))
  const isStopped = await time.pass(haveStopped, time.nowMs() + stopLimitMs)
  return isStopped ? undefined : 'stuck: a worker does not stop'
}

/** Runs one seed from an empty installation to a stopped one, and checks every promise at the end. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<Outcome> {
  const time = createTime()
  const { trace, digest } = createRecorder(time, options.print)
  useTime(time)
  try {
    const site = await openSite({ seed, time, trace, sabotage: options.sabotage ?? 'none' })
    const random = createRandom(`world ${seed}`)
    const world = openWorld(site, random)
    unleash({
      broker: site.broker,
      random: random.fork('nemesis'),
      durationMs: healAfterMs,
      workers: () => world.workers.map(worker => worker.process()),
      producers: () => world.producers.map(({ process }) => process),
    })
    await time.pass(() => time.nowMs() >= healAfterMs, healAfterMs)
    const stuck = await settleDown(world, time)
    useTime(undefined)
    const found = await check(world)
    return {
      seed,
      violations: [...(stuck === undefined ? [] : [stuck]), ...found.violations],
      digest: digest(),
      virtualMs: Math.round(time.nowMs()),
      calls: found.calls,
      manifests: found.manifests,
    }
  } finally {
    useTime(undefined)
    time.end()
  }
}
