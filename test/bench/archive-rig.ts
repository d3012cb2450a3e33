import { createHash, randomBytes } from 'node:crypto'
import { createCutWriter, openArchive, openStore, type ArchiveStore, type CutRecord } from '@muniment/archive'
import { openKeys, openSecrets, type Keys } from '@muniment/keys'
import { topic, uuidv7 } from '@muniment/schema'
import { openState } from '@muniment/state'

export const firstMs = Date.parse('2026-11-01T00:00:00Z')

/** Keys in memory. */
export async function createKeys(): Promise<Keys> {
  const [state, secrets] = await Promise.all([openState({ kind: 'memory' }), openSecrets({ kind: 'memory' })])
  return openKeys({
    secrets,
    state,
    now: Date.now,
    randomBytes,
    cacheTtlMs: 3_600_000,
    logName: 'bench.example/log',
  })
}

const tools = [
  'search',
  'read_file',
  'write_file',
  'list_directory',
  'query',
  'create_issue',
  'send_mail',
  'translate',
]
const words =
  'report account invoice customer meeting deploy branch ticket table region latency budget'.split(' ')

function digest(seq: number, part: string): string {
  return createHash('sha256').update(`${part}${seq}`).digest('hex')
}

/** What differs between events of one run. */
export interface BenchEvent {
  readonly seq: number
  readonly instance?: string
  readonly tenant?: string
  readonly timeMs?: number
  readonly principal?: string
}

/** A masked event of about 900 bytes, as the masker publishes it. */
export function benchEvent(options: BenchEvent): Buffer {
  const { seq, instance = 'bench', tenant = 'default', timeMs = firstMs + seq * 10, principal } = options
  const word = (at: number): string => words[(seq * 7 + at * 3) % words.length] ?? ''
  const text = `${word(1)} ${seq % 997}: [EMAIL]`
  const target = tools[seq % tools.length] ?? ''
  const event = {
    id: uuidv7(timeMs, randomBytes(10)),
    time: new Date(timeMs).toISOString(),
    duration_ms: (seq % 50) + 0.25,
    tenant,
    kind: 'call',
    outcome: seq % 20 === 0 ? 'tool_error' : 'ok',
    direction: 'client_to_server',
    transport: 'stdio',
    method: 'tools/call',
    target,
    rpc_id: seq % 10_000,
    principal: { id: principal ?? `user${seq % 40}`, method: 'jwt' },
    client: { name: 'assistant', version: '1.4.2' },
    server: { name: 'files', version: '2.0.1' },
    request: {
      body: { jsonrpc: '2.0', method: 'tools/call', params: { name: target, arguments: { text } } },
      digest: digest(seq, 'q'),
      size_bytes: 180,
    },
    response: {
      body: { jsonrpc: '2.0', result: { content: [{ type: 'text', text }] } },
      digest: digest(seq, 'r'),
      size_bytes: 260,
    },
    pii: {
      findings: [{ type: 'EMAIL', path: '$.params', count: 1, action: 'mask' }],
      version: '1',
    },
    source: { instance, epoch: 1, seq, version: '0.1.0' },
    nonce: randomBytes(16).toString('hex'),
  }
  return Buffer.from(JSON.stringify(event))
}

/** An archive that is filled by cuts of partition 0 of the events. */
export interface Filled {
  readonly store: ArchiveStore
  readonly keys: Keys
  readonly cut: (values: readonly Buffer[]) => Promise<void>
}

export async function createFilled(store?: ArchiveStore): Promise<Filled> {
  const target = store ?? (await openStore({ kind: 'memory' }))
  const keys = await createKeys()
  const cuts = createCutWriter({ store: target, keys: keys.segmentKeys, now: Date.now, randomBytes })
  let previous = await openArchive({ store: target, keys: keys.segmentKeys }).newest(topic.events, 0)
  return {
    store: target,
    keys,
    async cut(values) {
      const first = previous?.manifest.next_offset ?? 0
      const records: CutRecord[] = values.map((value, index) => ({
        offset: first + index,
        value,
        appendedMs: firstMs,
      }))
      const nextOffset = first + records.length
      const result = await cuts.write({ topic: topic.events, partition: 0, records, nextOffset, previous })
      previous = result.manifest
    },
  }
}

/** What goes through a counted store. */
export interface Traffic {
  reads: number
  readBytes: number
  writes: number
}

/** A store that counts, and answers reads no sooner than `roundTripMs` after they were asked. */
export function countTraffic(store: ArchiveStore, traffic: Traffic, roundTripMs = 0): ArchiveStore {
  const delay = (): Promise<void> | undefined =>
    roundTripMs === 0 ? undefined : new Promise(resolve => setTimeout(resolve, roundTripMs))
  return {
    checkpoint: store.checkpoint,
    async put(object) {
      traffic.writes += 1
      return store.put(object)
    },
    async get(key, options) {
      traffic.reads += 1
      await delay()
      const bytes = await store.get(key, options)
      traffic.readBytes += bytes?.length ?? 0
      return bytes
    },
    async head(key, version) {
      await delay()
      return store.head(key, version)
    },
    list: (prefix, options) => store.list(prefix, options),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
