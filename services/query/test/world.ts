import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCutWriter, openArchive, openStore, type ArchiveStore } from '@muniment/archive'
import { openBus, type Bus, type OutgoingRecord } from '@muniment/bus'
import { openKeys, openSecrets, type Keys } from '@muniment/keys'
import { topic, uuidv7 } from '@muniment/schema'
import { openState } from '@muniment/state'
import { afterAll } from 'vitest'
import {
  createQueryEngine,
  type QueryEngine,
  type QueryEngineOptions,
  type QueryFigures,
  type QueryRequest,
  type Value,
} from '../src/index.ts'

/** A bus, an archive and an engine over both, in memory. */
export interface World extends AsyncDisposable {
  readonly bus: Bus
  readonly store: ArchiveStore
  readonly keys: Keys
  /** Destroys a tenant's keys, and opens an engine that has not seen them. */
  readonly erase: (tenant: string) => Promise<QueryEngine>
  readonly cachePath: string
  readonly engine: QueryEngine
  /** Archives what is on partition 0 of `name` up to `to` (default: everything). */
  readonly archive: (name?: string, to?: number) => Promise<void>
}

const folder = mkdtempSync(join(tmpdir(), 'query-test-'))
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))

/** The same keys in every run: what a keyed filter lets through by chance depends on them. */
function repeatable(): (size: number) => Buffer {
  let drawn = 0
  return size => createHash('shake256', { outputLength: size }).update(`query ${drawn++}`).digest()
}

export async function createWorld(change: Partial<QueryEngineOptions> = {}): Promise<World> {
  // One folder for compiled code, a catalogue for each world.
  const cachePath = join(folder, 'cache', `${crypto.randomUUID()}.sqlite`)
  const bus = await openBus({ kind: 'memory' })
  const store = await openStore({ kind: 'memory' })
  const [state, secrets] = await Promise.all([openState({ kind: 'memory' }), openSecrets({ kind: 'memory' })])
  const draw = repeatable()
  const freshKeys = (): Keys =>
    openKeys({ secrets, state, now: Date.now, randomBytes: draw, cacheTtlMs: 60_000 })
  const keys = freshKeys()
  const engine = createQueryEngine({ store, keys: keys.segmentKeys, cachePath, bus, ...change })
  return {
    bus,
    store,
    keys,
    cachePath,
    engine,
    async erase(tenant) {
      for await (const place of state.list(`tenant-keys/${tenant}/`)) await state.delete(place)
      return createQueryEngine({ store, keys: freshKeys().segmentKeys, cachePath, bus })
    },
    archive: (name = topic.events, to = Infinity) => archiveUpTo({ bus, store, keys }, name, to),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await bus[Symbol.asyncDispose]()
    },
  }
}

async function archiveUpTo(
  world: Pick<World, 'bus' | 'store' | 'keys'>,
  name: string,
  to: number,
): Promise<void> {
  const { bus, store } = world
  const keys = world.keys.segmentKeys
  const previous = await openArchive({ store, keys }).newest(name, 0)
  const from = [{ topic: name, partition: 0, offset: previous?.manifest.next_offset ?? 0 }]
  const records = []
  const { signal } = new AbortController()
  for await (const { partition, offset, value, timestampMs } of bus.read({
    topic: name,
    from,
    untilEnd: true,
    signal,
  }))
    if (partition === 0 && offset < to) records.push({ offset, value, appendedMs: timestampMs })
  const nextOffset = (records.at(-1)?.offset ?? 0) + 1
  const cuts = createCutWriter({ store, keys, now: Date.now, randomBytes })
  await cuts.write({ topic: name, partition: 0, records, nextOffset, previous })
}

/** What an event of a test is about. */
export interface EventOptions {
  readonly seq: number
  readonly tenant?: string
  readonly target?: string
  readonly outcome?: string
  readonly principal?: string
  readonly timeMs?: number
}

export const startMs = Date.parse('2026-11-21T08:00:00Z')

/** The id of the event with this number. */
export function idOf(seq: number): string {
  return uuidv7(startMs + seq * 1000, Buffer.alloc(10, seq % 256))
}

/** A masked event as the masker publishes it. */
export function eventRecord(options: EventOptions): OutgoingRecord {
  const {
    seq,
    tenant = 'acme',
    target = 'search',
    outcome = 'ok',
    principal,
    timeMs = startMs + seq * 1000,
  } = options
  const event = {
    id: idOf(seq),
    time: new Date(timeMs).toISOString(),
    duration_ms: 1.5,
    tenant,
    kind: 'call',
    outcome,
    method: 'tools/call',
    target,
    session_id: 's1',
    ...(principal === undefined ? {} : { principal: { id: principal, method: 'jwt' } }),
    client: { name: 'inspector' },
    request: { body: { arguments: { query: `q${seq}` } }, digest: 'd', size_bytes: 10 },
    response: { body: { content: [] }, digest: 'd', size_bytes: 10 },
    pii: {
      findings: [{ type: seq % 2 === 0 ? 'EMAIL' : 'PHONE', path: '$', count: 1, action: 'mask' }],
      version: '1',
    },
    source: { instance: 'proxy', epoch: 1, seq, version: '1' },
    nonce: '00',
  }
  const headers = { mun_lane: 'proxy/1', mun_seq: String(seq), mun_from: String(seq), mun_tenant: tenant }
  return { key: 'proxy/1', value: Buffer.from(JSON.stringify(event)), headers, partition: 0 }
}

/** A whole answer. */
export interface Answer {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Value[])[]
  readonly figures: QueryFigures
}

export async function ask(engine: QueryEngine, request: QueryRequest): Promise<Answer> {
  await using result = await engine.query(request)
  const rows: (readonly Value[])[] = []
  for await (const row of result.rows) rows.push(row)
  return { columns: result.columns.map(({ name }) => name), rows, figures: result.figures() }
}
