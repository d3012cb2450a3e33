// How long workers need to go on after a restart, on an archive of ten thousand manifests: on S3 where its server is installed, else on files.
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openArchive, openLog, openStore, type ArchiveStore, type StoreConfig } from '@muniment/archive'
import { createArchiver } from '@muniment/archiver'
import { openBus, type Bus } from '@muniment/bus'
import { createQueryEngine } from '@muniment/query'
import { createLogger } from '@muniment/runtime'
import { topic } from '@muniment/schema'
import { isS3Installed, startS3 } from '../lanes/s3.ts'
import { benchEvent, createFilled, firstMs, type Filled } from './archive-rig.ts'
import { cpuSeconds, type Figure } from './figure.ts'

const manifests = 10_000
const writesAhead = 32
const barS = 5

function sorted(_key: string, part: unknown): unknown {
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
  return Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** The form of a manifest's bytes. */
function canonical(manifest: unknown): Buffer {
  return Buffer.from(JSON.stringify(manifest, sorted))
}

/** Ten thousand manifests in a chain, made from one that was written; their segments are not there, as no restart reads any. */
async function fill({ store, keys, cut }: Filled): Promise<void> {
  await cut([benchEvent({ seq: 0 })])
  const first = await openArchive({ store, keys: keys.segmentKeys }).newest(topic.events, 0)
  if (first === undefined) throw new Error('nothing was archived')
  let previous = first.sha256
  const waiting: Promise<unknown>[] = []
  for (let at = 1; at < manifests; at++) {
    const time = { min_ms: firstMs + at * 100, max_ms: firstMs + at * 100 + 99 }
    const segments = first.manifest.segments.map(segment => ({ ...segment, time }))
    const bytes = canonical({ ...first.manifest, first_offset: at, next_offset: at + 1, previous, segments })
    const key = first.key.replace(/\d{20}\.json$/u, `${String(at).padStart(20, '0')}.json`)
    previous = createHash('sha256').update(bytes).digest('hex')
    waiting.push(store.put({ key, bytes, ifTaken: 'refuse' }))
    if (waiting.length >= writesAhead) await Promise.all(waiting.splice(0))
  }
  await Promise.all(waiting)
  await openLog({ store, signer: await keys.logSigner(), now: Date.now }).integrate()
}

async function fillBus(): Promise<Bus> {
  const bus = await openBus({ kind: 'memory' })
  const value = benchEvent({ seq: 1, timeMs: firstMs + manifests * 1000 })
  const records = Array.from({ length: manifests + 1 }, () => ({
    key: null,
    value,
    headers: {},
    partition: 0,
  }))
  await bus.publish(topic.events, records)
  return bus
}

async function timed(
  name: string,
  bar: number | undefined,
  work: () => Promise<unknown>,
): Promise<readonly Figure[]> {
  const startedMs = performance.now()
  const cpuS = await cpuSeconds(work)
  const value = (performance.now() - startedMs) / 1000
  const held = bar === undefined ? {} : { reference: bar, ratio: value / bar }
  return [
    { name, value, unit: 's', ...held },
    { name: `${name}: CPU`, value: cpuS, unit: 's' },
  ]
}

/** A new archiver finds its place and commits the one record that waits. */
async function archiveOne(open: () => Promise<ArchiveStore>, { keys }: Filled, bus: Bus): Promise<void> {
  await using store = await open()
  const stop = new AbortController()
  const log = createLogger({ name: 'bench', level: 'silent' })
  const options = { bus, store, keys: keys.segmentKeys, log, cut: { maxAgeMs: 1 } }
  const running = createArchiver(options).run(stop.signal)
  const isDone = async (): Promise<boolean> => {
    const [state] = await bus.describe(topic.events, 'muniment.archiver')
    return state?.committedOffset === manifests + 1
  }
  while (!(await isDone())) await new Promise(resolve => setTimeout(resolve, 10))
  stop.abort()
  await running
}

/** A new notary rebuilds the log from the bucket and enters the manifest that is new. */
async function signOne(open: () => Promise<ArchiveStore>, { keys }: Filled): Promise<void> {
  await using store = await open()
  const { added } = await openLog({ store, signer: await keys.logSigner(), now: Date.now }).integrate()
  if (added !== 1) throw new Error(`the log took ${added} manifests instead of one`)
}

/** A new query process answers about the newest event. */
async function askOne(open: () => Promise<ArchiveStore>, { keys }: Filled, cachePath: string): Promise<void> {
  await using store = await open()
  await using engine = createQueryEngine({ store, keys: keys.segmentKeys, cachePath })
  const from = new Date(firstMs + manifests * 1000).toISOString()
  await using result = await engine.query({ sql: `SELECT id FROM events WHERE time >= '${from}'`, limit: 10 })
  let rows = 0
  for await (const _ of result.rows) rows += 1
  if (rows !== 1) throw new Error(`${rows} rows instead of one`)
}

async function measure(config: StoreConfig, folder: string): Promise<readonly Figure[]> {
  const open = (): Promise<ArchiveStore> => openStore(config)
  await using store = await open()
  const filled = await createFilled(store)
  await fill(filled)
  const bus = await fillBus()
  const catalogue = join(folder, 'catalogue')
  return [
    ...(await timed('archiver, to its first commit', barS, () => archiveOne(open, filled, bus))),
    ...(await timed('notary, to its first signature', barS, () => signOne(open, filled))),
    ...(await timed('query, catalogue rebuilt from the bucket', undefined, () =>
      askOne(open, filled, catalogue),
    )),
    ...(await timed('query, catalogue kept, to its answer', barS, () => askOne(open, filled, catalogue))),
  ]
}

/** Restarts of archiver, notary and query, process start not counted. */
export async function run(): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'muniment-bench-'))
  try {
    if (!isS3Installed()) return await measure({ kind: 'file', directory: join(folder, 'archive') }, folder)
    await using s3 = await startS3()
    await s3.createLockedBucket('restart')
    const { endpoint, region, accessKeyId, secretAccessKey } = s3
    const client = { endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } }
    return await measure({ kind: 's3', bucket: 'restart', client }, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  }
}
