import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { zstdCompressSync } from 'node:zlib'
import { openBus, type Bus, type BusRecord, type OutgoingRecord } from '@muniment/bus'
import { openKeys, openSecrets, type Keys } from '@muniment/keys'
import { parseIngestKey, sealBatch } from '@muniment/keys/seal'
import { createMask, createMasker, type WorkOptions } from '@muniment/masker'
import { createLogger } from '@muniment/runtime'
import { openState } from '@muniment/state'
import {
  batchAad,
  batchHeaders,
  deadLetterTopic,
  encodeFrames,
  eventSchema,
  topic,
  uuidv7,
  type BatchHeaders,
  type Frame,
  type MunimentEvent,
  type Observation,
} from '@muniment/schema'

const encoder = new TextEncoder()

/** Keys as an interceptor and a masker hold them. */
export interface TestKeys {
  readonly keys: Keys
  /** What interceptors seal to. */
  readonly publicText: string
}

/** Fresh keys in memory. */
export async function createTestKeys(): Promise<TestKeys> {
  const secrets = await openSecrets({ kind: 'memory' })
  const state = await openState({ kind: 'memory' })
  const keys = openKeys({ secrets, state, now: () => Date.now(), randomBytes, cacheTtlMs: 60_000 })
  return { keys, publicText: await keys.ingestPublicKey() }
}

/** An observation of a call at `seq` of lane `web-1/5`. */
export function observationAt(seq: number, change: Partial<Observation> = {}): Observation {
  return {
    v: 1,
    id: uuidv7(1_760_000_000_000 + seq, new Uint8Array(10).fill(seq)),
    time: '2025-10-09T08:53:20.000Z',
    tenant: 'default',
    kind: 'call',
    outcome: 'ok',
    direction: 'client_to_server',
    transport: 'stdio',
    method: 'tools/call',
    target: 'lookup',
    rpc_id: seq,
    request: { size_bytes: 10 },
    response: { size_bytes: 10 },
    source: { instance: 'web-1', epoch: 5, seq, version: '0.1.0' },
    ...change,
  }
}

/** A frame with the two messages of a call. */
export function frameOf(observation: Observation, request?: string, response?: string): Frame {
  return {
    envelope: encoder.encode(JSON.stringify(observation)),
    request: request === undefined ? undefined : encoder.encode(request),
    response: response === undefined ? undefined : encoder.encode(response),
  }
}

/** What tells one sealed batch from another. */
export interface SealOptions {
  readonly publicText: string
  readonly firstSeq: number
  readonly lastSeq: number
  readonly parts?: number
  readonly lane?: string
}

/** Seals frames as an interceptor does, split into `parts` records. */
export function sealFrames(frames: readonly Frame[], options: SealOptions): OutgoingRecord[] {
  const { publicText, firstSeq, lastSeq, parts = 1, lane = 'web-1/5' } = options
  const key = parseIngestKey(publicText)
  const packed = zstdCompressSync(encodeFrames(frames))
  const size = Math.ceil(packed.length / parts)
  return Array.from({ length: parts }, (_, index) => {
    const batch: BatchHeaders = {
      lane,
      firstSeq,
      lastSeq,
      kid: key.kid,
      encoding: 'zstd',
      part: index + 1,
      parts,
    }
    const piece = packed.subarray(index * size, (index + 1) * size)
    return { key: lane, value: sealBatch(key, piece, batchAad(batch)), headers: batchHeaders(batch) }
  })
}

/** A bus with a masker on it. */
export interface Rig {
  readonly bus: Bus
  readonly publish: (records: readonly OutgoingRecord[]) => Promise<void>
  /** Runs a masker until it has done with everything on the raw topic. */
  readonly work: () => Promise<void>
  readonly events: () => Promise<readonly BusRecord[]>
  readonly letters: () => Promise<readonly BusRecord[]>
}

async function readAll(bus: Bus, name: string): Promise<readonly BusRecord[]> {
  const records: BusRecord[] = []
  for await (const record of bus.read({ topic: name, untilEnd: true, signal: AbortSignal.timeout(30_000) }))
    records.push(record)
  return records
}

async function isDone(bus: Bus): Promise<boolean> {
  const states = await bus.describe(topic.raw, 'muniment.masker')
  return states.every(({ nextOffset, committedOffset }) => nextOffset === 0 || committedOffset === nextOffset)
}

async function untilDone(bus: Bus, stop: AbortController): Promise<void> {
  const deadline = performance.now() + 50_000
  while (!(await isDone(bus))) {
    if (performance.now() > deadline) throw new Error('the masker did not finish')
    await sleep(2)
  }
  stop.abort()
}

/** Opens a memory bus and a masker with these keys. */
export async function createRig(keys: Keys, change: Partial<WorkOptions> = {}): Promise<Rig> {
  const bus = await openBus({ kind: 'memory' })
  await bus.createTopics()
  let nonces = 0
  const options: WorkOptions = {
    bus,
    log: createLogger({ name: 'test', level: 'silent' }),
    unseal: keys.unseal,
    digestKey: keys.digestKey,
    openMask: async () => createMask(),
    nonce: () => (nonces++).toString(16).padStart(32, '0'),
    version: '0.1.0',
    ...change,
  }
  return {
    bus,
    publish: async records => bus.publish(topic.raw, records),
    work: async () => {
      const stop = new AbortController()
      await Promise.all([createMasker(options).run(stop.signal), untilDone(bus, stop)])
    },
    events: async () => readAll(bus, topic.events),
    letters: async () => readAll(bus, deadLetterTopic(topic.raw)),
  }
}

/** A request with a text of its caller in it. */
export const call = (text: string): string =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { arguments: { note: text } } })
/** A response with a text of the server in it. */
export const answer = (text: string): string =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text }] } })

/** The event in a record. */
export function eventOf(record: BusRecord | undefined): MunimentEvent {
  return eventSchema.parse(JSON.parse(Buffer.from(record?.value ?? []).toString()))
}
