import { randomBytes } from 'node:crypto'
import {
  openArchive,
  openStore,
  type Archive,
  type ArchiveStore,
  type CommittedManifest,
} from '@muniment/archive'
import { openBus, type Bus, type OutgoingRecord } from '@muniment/bus'
import { openKeys, openSecrets, type Keys } from '@muniment/keys'
import { createLogger, type Logger } from '@muniment/runtime'
import { topic as topics, uuidv7 } from '@muniment/schema'
import { openState, type StateStore } from '@muniment/state'
import { createArchiver } from '../src/index.ts'

/** A bus, a store and keys in memory. */
export interface World extends AsyncDisposable {
  readonly bus: Bus
  readonly store: ArchiveStore
  readonly keys: Keys
  readonly state: StateStore
  readonly archive: Archive
  readonly log: Logger
}

export async function createWorld(): Promise<World> {
  const bus = await openBus({ kind: 'memory' })
  const store = await openStore({ kind: 'memory' })
  const state = await openState({ kind: 'memory' })
  const secrets = await openSecrets({ kind: 'memory' })
  const keys = openKeys({
    secrets,
    state,
    now: Date.now,
    randomBytes,
    cacheTtlMs: 60_000,
    logName: 'test.example/log',
  })
  const archive = openArchive({ store, keys: keys.segmentKeys })
  const log = createLogger({ name: 'test', level: 'silent' })
  return { bus, store, keys, state, archive, log, [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose]() }
}

/** What an event of a test is about. */
export interface EventOptions {
  readonly lane?: string
  readonly seq: number
  readonly tenant?: string
  readonly partition?: number
  readonly timeMs?: number
  readonly text?: string
}

/** A masked event as the masker publishes it. */
export function eventRecord(options: EventOptions): OutgoingRecord {
  const {
    lane = 'proxy/1',
    seq,
    tenant = 'default',
    partition = 0,
    timeMs = 1_790_000_000_000 + seq,
    text = '',
  } = options
  const [instance = '', epoch = '0'] = lane.split('/')
  const event = {
    id: uuidv7(timeMs, randomBytes(10)),
    time: new Date(timeMs).toISOString(),
    tenant,
    kind: 'call',
    outcome: 'ok',
    method: 'tools/call',
    target: `tool${seq % 3}`,
    request: { body: { text }, digest: 'd', size_bytes: 10 },
    pii: { findings: [], version: '1' },
    source: { instance, epoch: Number(epoch), seq, version: '1' },
    nonce: randomBytes(16).toString('hex'),
  }
  const headers = { mun_lane: lane, mun_seq: String(seq), mun_from: String(seq), mun_tenant: tenant }
  return { key: lane, value: Buffer.from(JSON.stringify(event)), headers, partition }
}

/** Everything in the archive's chain of one partition. */
export interface Chain {
  readonly manifests: readonly CommittedManifest[]
  /** Lane positions of all archived events, in the order of the archive. */
  readonly lanes: readonly string[]
  readonly rows: readonly Buffer[]
}

function assertLinked({ manifest }: CommittedManifest, previous: CommittedManifest | undefined): void {
  const position = previous?.manifest.next_offset ?? 0
  if (manifest.first_offset !== position) throw new Error(`chain breaks at ${position}`)
  if (manifest.previous !== (previous?.sha256 ?? null)) throw new Error(`wrong link at ${position}`)
}

function lanePosition(raw: Buffer): string {
  try {
    const { source }: { source: { instance: string; epoch: number; seq: number } } = JSON.parse(
      raw.toString(),
    )
    return `${source.instance}/${source.epoch}#${source.seq}`
  } catch {
    return 'none'
  }
}

/** Reads a partition's chain and checks that it has neither gap nor overlap. */
export async function readChain(archive: Archive, topic: string, partition = 0): Promise<Chain> {
  const manifests: CommittedManifest[] = []
  const rows: Buffer[] = []
  for await (const found of archive.manifests(topic, { partition })) {
    assertLinked(found, manifests.at(-1))
    manifests.push(found)
    for (const segment of found.manifest.segments) {
      const reader = await archive.openSegment(found, segment)
      for await (const raw of reader.rawRows()) rows.push(raw)
    }
  }
  return { manifests, rows, lanes: rows.map(lanePosition) }
}

/** Runs `task` until `isDone`, then stops it. */
export async function runUntil(
  task: { run(signal: AbortSignal): Promise<void> },
  isDone: () => Promise<boolean>,
): Promise<void> {
  const stop = new AbortController()
  const running = task.run(stop.signal)
  const failed = running.then(() => true)
  while (!(await isDone())) {
    const tick = new Promise<boolean>(resolve => setTimeout(() => resolve(false), 5))
    if (await Promise.race([failed, tick])) break
  }
  stop.abort()
  await running
}

/** Publishes events and archives them. */
export async function archiveEvents(world: World, seqs: readonly number[]): Promise<void> {
  const { bus, store, log } = world
  await bus.publish(
    topics.events,
    seqs.map(seq => eventRecord({ seq })),
  )
  const [end] = await bus.describe(topics.events)
  const archiver = createArchiver({
    bus,
    store,
    log,
    keys: world.keys.segmentKeys,
    cut: { maxEvents: 3, maxAgeMs: 5 },
  })
  await runUntil(archiver, async () => {
    const newest = await world.archive.newest(topics.events, 0)
    return newest?.manifest.next_offset === end?.nextOffset
  })
}
