import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openArchive, type CommittedManifest } from '@muniment/archive'
import { tap } from '@muniment/interceptor'
import { createLogger, createMetrics, readConfig, type Task } from '@muniment/runtime'
import { eventSchema, topic } from '@muniment/schema'
import { openBusOf, openKeysOf, openStoreOf } from '../context.ts'
import { publishIngestKey } from '../ingest-key.ts'
import { spoolTasks, workers, type WorkerContext } from '../workers.ts'

/** What a load on the whole chain in this process came to. */
export interface PipelineRun {
  readonly calls: number
  readonly cpuS: number
  readonly wallS: number
  /** Resident memory at its highest. */
  readonly peakRssBytes: number
}

/** Times from a call to what follows from it, in milliseconds. */
interface PipelineLatency {
  /** Until its event can be queried, from the bus at first. */
  readonly queryableMs: readonly number[]
  /** Until the alert that an attack raises. */
  readonly alertMs: readonly number[]
  /** Until the manifest of the oldest event of each cut. */
  readonly archivedMs: readonly number[]
}

const seed = 7919
const filler = 'The quick brown fox jumps over the lazy dog and writes a short report about it. '.repeat(7)

/** A transport as the SDKs have it, without an SDK behind it. */
interface BenchTransport {
  onmessage?: (message: unknown) => void
  readonly start: () => Promise<void>
  readonly send: (message: unknown) => Promise<void>
  readonly close: () => Promise<void>
}

const nothing = async (): Promise<void> => undefined

function createTransport(): BenchTransport {
  // A tap observes what is listened to.
  return { start: nothing, send: nothing, close: nothing, onmessage: () => undefined }
}

function request(id: number): unknown {
  const who = id % 2 === 0 ? `user${(id * seed) % 10_007}@example.com` : `user ${(id * seed) % 10_007}`
  return {
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'lookup', arguments: { who, limit: 10 } },
  }
}

function attack(id: number): unknown {
  const path = `/srv/${id}/../../../../etc/passwd`
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name: `read-${id}`, arguments: { path } } }
}

function answer(id: number): unknown {
  const text = JSON.stringify({ rows: [{ id: `r-${id}`, amount: 12.5, note: filler }] })
  return { jsonrpc: '2.0', id, result: { content: [{ type: 'text', text }] } }
}

interface Chain extends AsyncDisposable {
  readonly context: WorkerContext
  readonly transport: BenchTransport
}

/** Everything that `muniment up` runs, in a folder of its own. */
async function startChain(): Promise<Chain> {
  const home = await mkdtemp(join(tmpdir(), 'muniment-bench-'))
  const stack = new AsyncDisposableStack()
  stack.defer(async () => rm(home, { recursive: true, force: true }))
  const config = readConfig({ env: { MUNIMENT_HOME: home } })
  await publishIngestKey(config)
  const log = createLogger({ name: 'bench', level: 'error' })
  const bus = stack.use(await openBusOf(config, log))
  const keyContext = stack.use(await openKeysOf(config))
  await bus.createTopics()
  const context = { ...keyContext, config, log, metrics: createMetrics(), bus, onConsole: () => undefined }
  const stop = new AbortController()
  const tasks: Task[] = Object.values(await spoolTasks(context))
  for (const worker of Object.values(workers)) tasks.push(...Object.values(await worker.tasks(context)))
  const running = Promise.all(tasks.map(async task => task.run(stop.signal)))
  stack.defer(async () => {
    stop.abort()
    await running
  })
  const transport = tap(createTransport(), { home, bus: 'embedded:', role: 'server', serverName: 'bench' })
  await transport.start()
  return { context, transport, [Symbol.asyncDispose]: async () => stack.disposeAsync() }
}

async function countEvents({ bus }: WorkerContext): Promise<number> {
  return (await bus.describe(topic.events)).reduce((sum, { nextOffset }) => sum + nextOffset, 0)
}

async function manifestsOf({ config, keys }: WorkerContext): Promise<readonly CommittedManifest[]> {
  const archive = openArchive({ store: await openStoreOf(config), keys: keys.segmentKeys })
  const manifests: CommittedManifest[] = []
  for await (const manifest of archive.manifests(topic.events)) manifests.push(manifest)
  return manifests
}

async function countArchived(context: WorkerContext): Promise<number> {
  return (await manifestsOf(context)).reduce((sum, { manifest }) => sum + manifest.counts.archived, 0)
}

async function until(condition: () => Promise<boolean>, everyMs: number): Promise<void> {
  while (!(await condition())) await sleep(everyMs)
}

/** Keeps the backlog bounded, as callers that wait for answers do. */
const maxAhead = 10_000

async function call(transport: BenchTransport, id: number, message = request(id)): Promise<void> {
  transport.onmessage?.(message)
  await transport.send(answer(id))
}

/** Observes `calls` calls of 1 KB as fast as the chain takes them, until all of them are archived. */
export async function runLoad(calls: number): Promise<PipelineRun> {
  await using chain = await startChain()
  const { context, transport } = chain
  const wallMs = performance.now()
  const cpu = process.cpuUsage()
  let peakRssBytes = 0
  for (let id = 0; id < calls; id++) {
    await call(transport, id)
    if (id % 250 !== 0) continue
    await sleep(0)
    peakRssBytes = Math.max(peakRssBytes, process.memoryUsage.rss())
    if (id > maxAhead) await until(async () => (await countEvents(context)) > id - maxAhead, 10)
  }
  // The first event of a lane is its start.
  await until(async () => (await countArchived(context)) > calls, 100)
  const { user, system } = process.cpuUsage(cpu)
  return { calls, peakRssBytes, cpuS: (user + system) / 1e6, wallS: (performance.now() - wallMs) / 1000 }
}

const pauseMs = 5

async function eventAges({ bus }: WorkerContext): Promise<readonly number[]> {
  const ages: number[] = []
  for await (const record of bus.read({
    topic: topic.events,
    untilEnd: true,
    signal: AbortSignal.timeout(60_000),
  })) {
    const {
      time,
      duration_ms: durationMs,
      kind,
    } = eventSchema.parse(JSON.parse(Buffer.from(record.value).toString()))
    if (kind === 'call') ages.push(record.timestampMs - Date.parse(time) - (durationMs ?? 0))
  }
  return ages
}

async function alertAges(
  { bus }: WorkerContext,
  attacks: ReadonlyMap<string, number>,
): Promise<readonly number[]> {
  const first = new Map<string, number>()
  for await (const record of bus.read({
    topic: topic.alerts,
    untilEnd: true,
    signal: AbortSignal.timeout(60_000),
  })) {
    const [tool] = /\bread-\d+\b/u.exec(Buffer.from(record.value).toString()) ?? []
    if (tool !== undefined && !first.has(tool)) first.set(tool, record.timestampMs)
  }
  return [...attacks].map(([tool, atMs]) => (first.get(tool) ?? Number.POSITIVE_INFINITY) - atMs)
}

/** Observes a steady load of ordinary calls with an attack among every twenty, and tells how old each was when something followed from it. */
export async function runSteady(calls: number): Promise<PipelineLatency> {
  await using chain = await startChain()
  const { context, transport } = chain
  const attacks = new Map<string, number>()
  for (let id = 0; id < calls; id++) {
    if (id % 20 === 10) attacks.set(`read-${id}`, Date.now())
    await call(transport, id, id % 20 === 10 ? attack(id) : request(id))
    await sleep(pauseMs)
  }
  await until(async () => (await countArchived(context)) > calls, 100)
  const cuts = (await manifestsOf(context)).map(({ manifest }) => manifest.clocks)
  return {
    queryableMs: await eventAges(context),
    alertMs: await alertAges(context, attacks),
    archivedMs: cuts.map(({ event, sealed_ms: sealedMs }) => sealedMs - (event?.min_ms ?? sealedMs)),
  }
}

/** The value below which `share` of the values lie. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
