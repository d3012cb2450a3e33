import { verifyArchive, type ArchiveStore } from '@muniment/archive'
import { openBus, type Bus, type OutgoingRecord } from '@muniment/bus'
import { AppError, topic } from '@muniment/schema'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createArchiver, createNotary } from '../src/index.ts'
import { createWorld, eventRecord, readChain, type World } from './world.ts'

/** What may happen to one call of the store. `lost`: done, but the caller hears that it failed. */
const faults = ['fine', 'refused', 'lost', 'crash-before', 'crash-after'] as const
type Fault = (typeof faults)[number]

/** A call of the store, and after how many turns of the event loop it is answered. */
interface Step {
  readonly fault: Fault
  readonly turns: number
}

async function takeTurns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** One life of a worker: ends when it is stopped or the store makes it crash. */
interface Life {
  readonly store: ArchiveStore
  readonly end: AbortController
}

const crashed = new TypeError('crashed')
const unreachable = new AppError('DEPENDENCY_UNREACHABLE', 'no answer')

function before(fault: Fault, end: AbortController): void {
  if (end.signal.aborted) throw crashed
  if (fault === 'refused') throw unreachable
  if (fault !== 'crash-before') return
  end.abort()
  throw crashed
}

function after(fault: Fault, end: AbortController): void {
  if (fault === 'lost') throw unreachable
  if (fault !== 'crash-after') return
  end.abort()
  throw crashed
}

/** A store in which the next puts meet `plan`, then nothing more happens. */
function createLife(store: ArchiveStore, plan: Step[]): Life {
  const end = new AbortController()
  return {
    end,
    store: {
      ...store,
      async put(object) {
        const { fault, turns } = plan.shift() ?? { fault: 'fine', turns: 1 }
        await takeTurns(turns)
        before(fault, end)
        const result = await store.put(object)
        after(fault, end)
        return result
      },
    },
  }
}

function soon(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, Math.min(delayMs, 3))
  return () => clearTimeout(timer)
}

interface Site {
  readonly world: World
  readonly bus: Bus
  readonly maxEvents: number
  /** Records on the bus when all are published. */
  readonly total: number
}

async function isArchived({ world, total }: Site): Promise<boolean> {
  const newest = await world.archive.newest(topic.events, 0)
  return newest?.manifest.next_offset === total
}

/** Publishes to both buses a few at a time, so that there are many cuts. */
async function publishSlowly(buses: readonly Bus[], records: readonly OutgoingRecord[]): Promise<void> {
  for (let at = 0; at < records.length; at += 2) {
    await Promise.all(buses.map(bus => bus.publish(topic.events, records.slice(at, at + 2))))
    await takeTurns(25)
  }
}

/** Lives one after another until everything is archived. */
async function archiveThrough(site: Site, plan: Step[]): Promise<void> {
  const { world, bus, maxEvents } = site
  while (!(await isArchived(site))) {
    const { store, end } = createLife(world.store, plan)
    const cut = { maxEvents, maxAgeMs: 3 }
    const keys = world.keys.segmentKeys
    const running = createArchiver({
      bus,
      store,
      keys,
      log: world.log,
      cut,
      after: soon,
      drainTimeoutMs: 20,
    }).run(end.signal)
    // A crash takes what the worker would still have done with it.
    running.catch(() => undefined)
    while (!end.signal.aborted && !(await isArchived(site))) await takeTurns(10)
    end.abort()
    await running.catch(() => undefined)
  }
}

async function signThrough(world: World, plan: Step[], count: number): Promise<void> {
  const size = async (): Promise<number> =>
    Number((await world.store.checkpoint.read())?.bytes.toString().split('\n')[1] ?? 0)
  while ((await size()) < count) {
    const { store, end } = createLife(world.store, plan)
    const running = createNotary({ ...world, store, intervalMs: 1, after: soon }).run(end.signal)
    running.catch(() => undefined)
    while (!end.signal.aborted && (await size()) < count) await takeTurns(10)
    end.abort()
    await running.catch(() => undefined)
  }
}

const step = fc.record({
  fault: fc.oneof({ weight: 5, arbitrary: fc.constant<Fault>('fine') }, fc.constantFrom(...faults)),
  turns: fc.integer({ min: 0, max: 12 }),
})
const plans = fc.array(step, { maxLength: 60 })
const scenario = fc.record({
  first: plans,
  second: plans,
  notary: plans,
  maxEvents: fc.integer({ min: 1, max: 6 }),
  /** Sequence numbers as they stand on the bus: in order, with repetitions. */
  repeats: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 40 }),
})

function recordsOf(repeats: readonly number[]): readonly OutgoingRecord[] {
  return repeats.flatMap((count, seq) => {
    const record = eventRecord({ seq })
    const again = seq > 0 && count > 1 ? [eventRecord({ seq: seq - 1 })] : []
    return [...Array.from({ length: 1 + (count % 2) }, () => record), ...again]
  })
}

test(
  'whatever the store does to two archivers and a notary, the archive is exact and verifies',
  { timeout: 60_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ first, second, notary, maxEvents, repeats }) => {
        await using world = await createWorld()
        await using twin = await openBus({ kind: 'memory' })
        const records = recordsOf(repeats)
        const total = records.length
        await Promise.all([
          publishSlowly([world.bus, twin], records),
          archiveThrough({ world, bus: world.bus, maxEvents, total }, [...first]),
          archiveThrough({ world, bus: twin, maxEvents: maxEvents + 2, total }, [...second]),
        ])
        const { lanes, manifests } = await readChain(world.archive, topic.events)
        expect(lanes).toEqual(repeats.map((_, seq) => `proxy/1#${seq}`))
        await signThrough(world, [...notary], manifests.length)
        const { vkey: verifierKey } = await world.keys.logSigner()
        const report = await verifyArchive({ store: world.store, keys: world.keys.segmentKeys, verifierKey })
        expect(report.problems).toEqual([])
        expect(report.anchored?.treeSize).toBe(manifests.length)
      }),
      { numRuns: 40, seed: 20261121 },
    )
  },
)
