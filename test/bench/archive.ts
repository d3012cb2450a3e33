import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore, verifyArchive } from '@muniment/archive'
import { createArchiver } from '@muniment/archiver'
import { openBus, type Bus } from '@muniment/bus'
import { createLogger } from '@muniment/runtime'
import { topic } from '@muniment/schema'
import { leafHash } from '../../shared/archive/src/format/merkle.ts'
import { rootFromInclusion } from '../../shared/archive/src/format/proofs.ts'
import { createTree } from '../../shared/archive/src/format/tree.ts'
import { benchEvent, countTraffic, createFilled, createKeys, type Traffic } from './archive-rig.ts'
import { cpuSeconds, type Figure } from './figure.ts'

const cutEvents = 20_000

function eventsFrom(first: number, count: number): readonly Buffer[] {
  return Array.from({ length: count }, (_, index) => benchEvent({ seq: first + index }))
}

function against(reference: number, figure: Figure): Figure {
  return { ...figure, reference, ratio: figure.value / reference }
}

/** Records in memory → encrypted, hashed, committed; then everything read back and checked. */
async function sealAndVerify(): Promise<readonly Figure[]> {
  const { store, keys, cut } = await createFilled()
  const cuts = [0, 1, 2].map(index => eventsFrom(index * cutEvents, cutEvents))
  const [warm = [], ...measured] = cuts
  await cut(warm)
  const sealS = await cpuSeconds(async () => {
    for (const values of measured) await cut(values)
  })
  const plainBytes = cuts.flat().reduce((sum, value) => sum + value.length, 0)
  const events = cuts.length * cutEvents
  let storedBytes = 0
  for await (const { sizeBytes } of store.list('')) storedBytes += sizeBytes
  const verifyS = await cpuSeconds(() => verifyArchive({ store, keys: keys.segmentKeys }))
  return [
    against(80_000, {
      name: 'seal, cuts of 20,000 events',
      value: (measured.length * cutEvents) / sealS,
      unit: 'events/CPU-s',
    }),
    against(100_000, { name: 'verify with keys', value: events / verifyS, unit: 'events/CPU-s' }),
    { name: 'size of an event', value: plainBytes / events, unit: 'B' },
    against(200, {
      name: 'stored per event, hashes and manifests included',
      value: storedBytes / events,
      unit: 'B',
    }),
  ]
}

async function archiveAll(
  bus: Bus,
  options: Omit<Parameters<typeof createArchiver>[0], 'bus' | 'log'>,
): Promise<void> {
  const stop = new AbortController()
  const log = createLogger({ name: 'bench', level: 'silent' })
  const running = createArchiver({ ...options, bus, log }).run(stop.signal)
  const isDone = async (): Promise<boolean> => {
    const states = await bus.describe(topic.events, 'muniment.archiver')
    return states.every(({ nextOffset, committedOffset = 0 }) => committedOffset === nextOffset)
  }
  while (!(await isDone())) await new Promise(resolve => setTimeout(resolve, 20))
  stop.abort()
  await running
}

async function fillBus(count: number, partitions: number, event: (index: number) => Buffer): Promise<Bus> {
  const bus = await openBus({ kind: 'memory' })
  const records = Array.from({ length: count }, (_, index) => ({
    key: null,
    value: event(index),
    headers: {},
    partition: index % partitions,
  }))
  for (let at = 0; at < count; at += 2000) await bus.publish(topic.events, records.slice(at, at + 2000))
  return bus
}

/** The archiver itself: memory bus → memory store. */
async function stage(): Promise<readonly Figure[]> {
  const count = 60_000
  const partitions = 4
  const bus = await fillBus(count, partitions, index =>
    benchEvent({ seq: Math.floor(index / partitions), instance: `bench${index % partitions}` }),
  )
  const store = await openStore({ kind: 'memory' })
  const { segmentKeys: keys } = await createKeys()
  const seconds = await cpuSeconds(() => archiveAll(bus, { store, keys }))
  return [
    against(66_667, { name: 'archiver stage, 4 partitions', value: count / seconds, unit: 'events/CPU-s' }),
  ]
}

/** Ten thousand tenants with an event each: requests and memory must not grow with them. The archive lies in files, since it is not the archiver's memory. */
async function manyTenants(): Promise<readonly Figure[]> {
  const tenants = 10_000
  const bus = await fillBus(tenants, 1, seq => benchEvent({ seq, tenant: `t${seq}` }))
  const traffic: Traffic = { reads: 0, readBytes: 0, writes: 0 }
  const directory = await mkdtemp(join(tmpdir(), 'muniment-bench-'))
  const store = countTraffic(await openStore({ kind: 'file', directory }), traffic)
  const { segmentKeys: keys } = await createKeys()
  const seconds = await cpuSeconds(() => archiveAll(bus, { store, keys }))
  await rm(directory, { recursive: true })
  return [
    against(6, { name: 'writes of a cut with 10,000 tenants', value: traffic.writes, unit: 'requests' }),
    { name: 'a cut with 10,000 tenants', value: (seconds / tenants) * 1000, unit: 'CPU-ms/tenant' },
    against(400, {
      name: 'resident memory of that process, highest',
      value: (process.resourceUsage().maxRSS * 1024) / 1e6,
      unit: 'MB',
    }),
  ]
}

/** Audit paths in a tree whose right edge is ragged, made and checked. */
async function inclusionProofs(): Promise<readonly Figure[]> {
  const size = 99_991
  const count = 20_000
  const tree = createTree()
  for (let index = 0; index < size; index++) tree.append(leafHash(Buffer.from(`entry ${index}`)))
  const root = tree.rootAt(size)
  const indexes = Array.from({ length: count }, (_, at) => (at * 7919) % size)
  const leaves = tree.level(0)
  let paths: (readonly Buffer[])[] = []
  const madeS = await cpuSeconds(async () => {
    paths = indexes.map(index => tree.inclusionProof(index, size))
  })
  let proven = 0
  const checkedS = await cpuSeconds(async () => {
    for (const [at, index] of indexes.entries()) {
      const leaf = leaves[index] ?? Buffer.alloc(0)
      const given = rootFromInclusion(leaf, { index, size }, paths[at] ?? [])
      if (given?.equals(root) === true) proven += 1
    }
  })
  return [
    against(30_000, { name: 'inclusion proofs made', value: count / madeS, unit: 'proofs/CPU-s' }),
    against(30_000, { name: 'inclusion proofs checked', value: proven / checkedS, unit: 'proofs/CPU-s' }),
  ]
}

/** Sealing, verifying, proofs, the archiver as a stage, many tenants. */
export async function run(): Promise<readonly Figure[]> {
  // First, so that its memory is its own.
  const tenants = await manyTenants()
  return [...(await sealAndVerify()), ...(await inclusionProofs()), ...(await stage()), ...tenants]
}
