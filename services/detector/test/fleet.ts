import { createSecretKey } from 'node:crypto'
import { openBus, type Bus } from '@muniment/bus'
import { createLogger } from '@muniment/runtime'
import { cloudEventHeaders, eventType, laneOf, topic, type Alert, type MunimentEvent } from '@muniment/schema'
import { openState, type StateStore } from '@muniment/state'
import { createDetector, type DetectorOptions } from '../src/index.ts'

const log = createLogger({ name: 'test', level: 'silent' })
const key = createSecretKey(Buffer.alloc(32, 7))

/** A masked event as the masker publishes it, made from a few facts. */
export function event(
  seq: number,
  facts: Partial<MunimentEvent> & { readonly instance?: string } = {},
): MunimentEvent {
  const { instance = 'lab-1', ...rest } = facts
  const time = new Date(Date.UTC(2026, 0, 5, 9) + seq * 1000).toISOString()
  return {
    id: `019b0000-0000-7000-8000-${String(seq).padStart(12, '0')}`,
    time,
    tenant: 'default',
    kind: 'call',
    outcome: 'ok',
    direction: 'client_to_server',
    transport: 'stdio',
    method: 'tools/call',
    target: 'read_file',
    principal: { id: 'alice', method: 'api_key' },
    server: { name: 'files' },
    pii: { findings: [], version: '1' },
    nonce: '00',
    source: { instance, epoch: 0, seq, version: '0.1.0' },
    ...rest,
  }
}

/** A `tools/call` with these arguments. */
export function call(seq: number, target: string, args: unknown): MunimentEvent {
  const body = { jsonrpc: '2.0', id: seq, method: 'tools/call', params: { name: target, arguments: args } }
  return event(seq, { target, request: { body, digest: '00', size_bytes: 10 } })
}

/** A `tools/list` answered with these tools. */
export function list(seq: number, tools: readonly Readonly<Record<string, unknown>>[]): MunimentEvent {
  const body = { jsonrpc: '2.0', id: seq, result: { tools } }
  return event(seq, {
    method: 'tools/list',
    target: undefined,
    response: { body, digest: '00', size_bytes: 10 },
  })
}

/** Stands for a value that is nested deeper than any recursion can follow, `JSON.stringify` of this test included. */
export const deep = '#deep'
const nested = `${'['.repeat(20_000)}${']'.repeat(20_000)}`

export async function publish(bus: Bus, events: readonly MunimentEvent[]): Promise<void> {
  const records = events.map(each => {
    const lane = laneOf(each.source)
    const headers = cloudEventHeaders({
      id: each.id,
      source: `/interceptor/${lane}`,
      type: eventType(each.kind),
      time: each.time,
      partitionKey: lane,
    })
    const from = String(each.gap?.from_seq ?? each.source.seq)
    const own = { mun_lane: lane, mun_seq: String(each.source.seq), mun_from: from, mun_tenant: each.tenant }
    const value = Buffer.from(JSON.stringify(each).replaceAll(`"${deep}"`, nested))
    return { key: lane, value, headers: { ...headers, ...own } }
  })
  await bus.publish(topic.events, records)
}

export interface Lab extends AsyncDisposable {
  readonly bus: Bus
  readonly state: StateStore
}

export async function openLab(): Promise<Lab> {
  const bus = await openBus({ kind: 'memory' })
  await bus.createTopics()
  const state = await openState({ kind: 'memory' })
  return {
    bus,
    state,
    [Symbol.asyncDispose]: async () => {
      await bus[Symbol.asyncDispose]()
      await state[Symbol.asyncDispose]()
    },
  }
}

function detectorIn(lab: Lab, options: Partial<DetectorOptions> = {}): ReturnType<typeof createDetector> {
  const { bus, state } = lab
  return createDetector({
    bus,
    state,
    log,
    evidenceKey: () => Promise.resolve(key),
    now: () => 0,
    ...options,
  })
}

/** What lies on a topic now, as text. */
export async function contents(
  bus: Bus,
  name: string,
): Promise<readonly { value: string; headers: Readonly<Record<string, string>>; partition: number }[]> {
  const found = []
  const { signal } = new AbortController()
  for await (const { value, headers, partition } of bus.read({ topic: name, untilEnd: true, signal })) {
    found.push({ value: Buffer.from(value).toString(), headers, partition })
  }
  return found
}

export async function alertsOn(bus: Bus): Promise<readonly Alert[]> {
  return (await contents(bus, topic.alerts)).map(({ value }): Alert => JSON.parse(value))
}

async function lag(bus: Bus, name: string, group: string): Promise<number> {
  const states = await bus.describe(name, group)
  return states.reduce((sum, each) => sum + each.nextOffset - (each.committedOffset ?? each.firstOffset), 0)
}

/** Runs both stages until everything published so far is through, then stops them in an orderly way; rejects when one of them dies. */
export async function drain(lab: Lab, options: Partial<DetectorOptions> = {}): Promise<void> {
  const stop = new AbortController()
  const { content, behaviour } = detectorIn(lab, options)
  const stages = [content, behaviour].map(async stage => {
    await stage.run(stop.signal).finally(() => stop.abort())
  })
  const isThrough = async (): Promise<boolean> =>
    (await lag(lab.bus, topic.events, 'muniment.detector.content')) === 0 &&
    (await lag(lab.bus, topic.signals, 'muniment.detector.behaviour')) === 0
  const ended = Promise.allSettled(stages)
  for (let quiet = 0; quiet < 2 && !stop.signal.aborted; quiet = (await isThrough()) ? quiet + 1 : 0) {
    await new Promise(resolve => {
      setTimeout(resolve, 2)
    })
  }
  stop.abort()
  await ended
  await Promise.all(stages)
}
