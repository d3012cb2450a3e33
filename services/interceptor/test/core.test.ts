import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  decodeFrames,
  isAppError,
  maxRecordBytes,
  observationSchema,
  parseBatchHeaders,
  type Observation,
} from '@muniment/schema'
import type { Packer, PlainBatch, SealedRecord } from '../src/batch.ts'
import {
  createBusSink,
  createInterceptorCore,
  createMemorySpool,
  createSpoolSink,
  type Core,
  type CoreOptions,
  type Sink,
} from '../src/core.ts'
import type { Problem } from '../src/problem.ts'
import { snapshot } from '../src/snapshot.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'

const plain: Packer = {
  encoding: 'gzip',
  compress: async bytes => bytes,
  compressSync: bytes => bytes,
  sealer: () => ({ kid: 'k', seal: bytes => bytes, overheadBytes: 48 }),
}

/** Gives memory away, as posting it to a thread does that then fails. */
async function detach({ plain: { buffer } }: PlainBatch): Promise<undefined> {
  if (buffer instanceof ArrayBuffer) structuredClone(buffer, { transfer: [buffer] })
}

/** What lies in unsealed records, in order. */
function open(records: readonly SealedRecord[]): Observation[] {
  const out: Observation[] = []
  let parts: Uint8Array[] = []
  for (const { key, headers, value } of records) {
    const { part, parts: all } = parseBatchHeaders(key, headers)
    if (part === 1) parts = []
    parts.push(value)
    if (part < all) continue
    for (const { envelope } of decodeFrames(Buffer.concat(parts)))
      out.push(observationSchema.parse(JSON.parse(Buffer.from(envelope).toString())))
  }
  return out
}

interface Bench {
  readonly core: Core
  readonly clock: FakeClock
  readonly problems: Problem[]
  readonly call: (text?: string) => void
}

function bench(
  sink: (clock: FakeClock, problems: Problem[]) => Sink,
  options: Partial<CoreOptions> = {},
): Bench {
  const clock = createFakeClock()
  const problems: Problem[] = []
  const core = createInterceptorCore({
    instance: 'i',
    epoch: 0,
    version: '0',
    tenant: 'default',
    clock,
    random: size => randomBytes(size),
    packer: plain,
    sink: sink(clock, problems),
    onProblem: one => problems.push(one),
    ringMaxBytes: 1_000_000,
    ...options,
  })
  const channel = core.open({ id: 'c', transport: 'in_memory', tenant: 'default' })
  let id = 0
  const call = (text = 'x'): void => {
    id += 1
    const request = { jsonrpc: '2.0', id, method: 'tools/call', params: { name: 't', text } }
    channel.message({ direction: 'client_to_server', message: request, body: snapshot(request) })
    const response = { jsonrpc: '2.0', id, result: {} }
    channel.message({ direction: 'server_to_client', message: response, body: snapshot(response) })
  }
  return { core, clock, problems, call }
}

interface Store {
  readonly records: SealedRecord[]
  readonly sink: Sink
  /** Whether it refuses. */
  isDown: boolean
}

function store(): Store {
  const records: SealedRecord[] = []
  const state: Store = {
    records,
    isDown: false,
    sink: {
      write: async some => {
        if (state.isDown) throw new Error('down')
        records.push(...some)
      },
      drained: () => Promise.resolve(),
      writeSync: some => void records.push(...some),
      [Symbol.asyncDispose]: async () => undefined,
    },
  }
  return state
}

const numbers = (observations: readonly Observation[]): string[] =>
  observations.map(({ source, gap, lane }) =>
    gap === undefined
      ? `${source.seq}${lane === undefined ? '' : lane.state}`
      : `${gap.from_seq}-${gap.to_seq}`,
  )

test('a lane begins, goes on without holes, says that it lives, and ends', async () => {
  const { records, sink } = store()
  const { core, clock, call } = bench(() => sink)
  call()
  call()
  await clock.advance(30_000)
  await clock.advance(30_000)
  call()
  await Promise.all([core.close(), clock.advance(100)])
  expect(numbers(open(records))).toEqual(['0start', '1', '2', '2alive', '2alive', '3', '4end'])
})

test('a batch that begins with a heartbeat names the numbers it takes, not the one it repeats', async () => {
  const { records, sink } = store()
  const { clock, call } = bench(() => sink)
  call()
  await clock.advance(30_000)
  call()
  await clock.advance(100)
  expect(numbers(open(records))).toEqual(['0start', '1', '1alive', '2'])
  const ranges = records.map(({ key, headers }) => parseBatchHeaders(key, headers))
  expect(ranges.map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq])).toEqual([
    [0, 1],
    [2, 2],
  ])
})

test('what ends at once, ends whole', () => {
  const { records, sink } = store()
  const { core, call } = bench(() => sink)
  call()
  expect(core.closeSync()).toBe(0)
  expect(numbers(open(records))).toEqual(['0start', '1', '2end'])
})

test('what another thread is still packing is written by the last act of a process', async () => {
  const { records, sink } = store()
  const given: PlainBatch[] = []
  const packElsewhere = async (batch: PlainBatch): Promise<never> => {
    given.push(batch)
    return await new Promise(() => undefined)
  }
  const { core, clock, call } = bench(() => sink, { packer: { ...plain, packElsewhere } })
  call('y'.repeat(100_000))
  await clock.advance(100)
  expect(given.map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq])).toEqual([[0, 1]])
  expect(core.closeSync()).toBe(0)
  expect(numbers(open(records))).toEqual(['0start', '1', '2end'])
})

test('what another thread takes without packing it is packed without it', async () => {
  const { records, sink } = store()
  const { clock, call } = bench(() => sink, { packer: { ...plain, packElsewhere: detach } })
  call('y'.repeat(100_000))
  await clock.advance(100)
  expect(numbers(open(records))).toEqual(['0start', '1'])
})

test('while nothing can be written memory stays bounded, calls go on, and the loss is one event with its exact range', async () => {
  const one = store()
  one.isDown = true
  const { core, clock, call, problems } = bench(() => one.sink, { ringMaxBytes: 200_000 })
  for (let n = 0; n < 1000; n++) call('y'.repeat(500))
  await clock.advance(60_000)
  for (let n = 0; n < 100; n++) call('y'.repeat(500))
  expect(problems.map(({ code }) => code)).toEqual(
    expect.arrayContaining(['LIMIT_EXCEEDED', 'SERVICE_ERROR']),
  )
  one.isDown = false
  await clock.advance(10_000)
  call()
  await Promise.all([core.close(), clock.advance(100)])
  const seen = open(one.records)
  const gaps = seen.filter(({ kind }) => kind === 'gap')
  let next = 0
  for (const { source, gap, lane } of seen) {
    if (lane?.state === 'alive') continue
    expect(gap?.from_seq ?? source.seq).toBe(next)
    next = source.seq + 1
  }
  expect(gaps.length).toBeGreaterThan(0)
  expect(gaps.length).toBeLessThan(4)
  const { recorded, dropped } = core.stats()
  expect(gaps.reduce((sum, { gap }) => sum + (gap?.count ?? 0), 0)).toBe(dropped)
  expect(seen.filter(({ kind }) => kind === 'call')).toHaveLength(recorded - dropped)
})

interface Ticket {
  isDurable: boolean
}

/** A record that something waits for. */
function begin({ core }: Bench, text = 'x'): Ticket | undefined {
  const ticket: Ticket = { isDurable: false }
  const durable = core.recordFirst({
    kind: 'begun',
    direction: 'client_to_server',
    timeMs: 1_700_000_000_000,
    channel: { id: 'c', transport: 'in_memory', tenant: 'default' },
    labels: {},
    context: {},
    request: snapshot({ text }),
  })
  if (durable === undefined) return undefined
  void durable.then(() => (ticket.isDurable = true))
  return ticket
}

describe('a record that something waits for', () => {
  test('is written at once, with all that came before it, and is durable only when the sink says so', async () => {
    const one = store()
    one.isDown = true
    const rig = bench(() => one.sink)
    rig.call()
    const first = begin(rig)
    await rig.clock.advance(0)
    expect([first?.isDurable, one.records]).toEqual([false, []])
    one.isDown = false
    await rig.clock.advance(300)
    expect(first?.isDurable).toBe(true)
    const second = begin(rig)
    await rig.clock.advance(0)
    expect(second?.isDurable).toBe(true)
    expect(numbers(open(one.records))).toEqual(['0start', '1', '2', '3'])
  })

  test('shares its batch with those that come while another is written', async () => {
    const writes: SealedRecord[][] = []
    const going: (() => void)[] = []
    const rig = bench(() => ({
      ...store().sink,
      write: async some => {
        writes.push([...some])
        await new Promise<void>(resolve => going.push(resolve))
      },
    }))
    const first = begin(rig)
    await rig.clock.advance(0)
    const rest = Array.from({ length: 50 }, () => begin(rig))
    await rig.clock.advance(0)
    expect(writes).toHaveLength(1)
    going.shift()?.()
    await rig.clock.advance(0)
    expect([first, rest[0], rest[49]].map(ticket => ticket?.isDurable)).toEqual([true, false, false])
    going.shift()?.()
    await rig.clock.advance(0)
    expect(rest.every(ticket => ticket?.isDurable === true)).toBe(true)
    expect(writes).toHaveLength(2)
  })

  test('is no ticket where it was lost: the ring is full, or the lane has ended', async () => {
    const one = store()
    one.isDown = true
    const rig = bench(() => one.sink, { ringMaxBytes: 20_000 })
    const tickets = Array.from({ length: 100 }, () => begin(rig, 'y'.repeat(500)))
    expect(tickets.at(-1)).toBeUndefined()
    one.isDown = false
    await rig.clock.advance(10_000)
    expect(tickets.filter(ticket => ticket !== undefined).every(({ isDurable }) => isDurable)).toBe(true)
    const { recorded, dropped } = rig.core.stats()
    expect(tickets.filter(ticket => ticket === undefined)).toHaveLength(dropped)
    expect(recorded).toBe(100)
    await Promise.all([rig.core.close(), rig.clock.advance(100)])
    expect(begin(rig)).toBeUndefined()
  })

  test('is durable once the last act of a process has written it', async () => {
    const one = store()
    one.isDown = true
    const rig = bench(() => one.sink)
    const ticket = begin(rig)
    await rig.clock.advance(0)
    expect(rig.core.flushSync()).toBe(0)
    await rig.clock.advance(0)
    expect(ticket?.isDurable).toBe(true)
  })
})

test('a batch never exceeds the record limit: a large message travels in parts', async () => {
  const { records, sink } = store()
  const { core, clock, call } = bench(() => sink, { ringMaxBytes: 10_000_000 })
  call('z'.repeat(3_000_000))
  for (let n = 0; n < 50; n++) call('y'.repeat(20_000))
  await Promise.all([core.close(), clock.advance(1000)])
  for (const { value } of records) expect(value.length).toBeLessThanOrEqual(maxRecordBytes)
  expect(records.some(({ headers }) => headers['mun_part'] === '4/4')).toBe(true)
  expect(open(records).filter(({ kind }) => kind === 'call')).toHaveLength(51)
})

test('what cannot be serialised is recorded without its body', async () => {
  const { records, sink } = store()
  const { core, clock } = bench(() => sink)
  const channel = core.open({ id: 'd', transport: 'http', tenant: 'default' })
  const round: Record<string, unknown> = { jsonrpc: '2.0', method: 'notifications/x' }
  round['self'] = round
  channel.message({ direction: 'client_to_server', message: round, body: { json: round, sizeBytes: 1 } })
  await Promise.all([core.close(), clock.advance(100)])
  expect(open(records)[1]).toMatchObject({
    kind: 'notification',
    request: { size_bytes: 0, truncated: true },
  })
})

test('what cannot be described leaves a gap that says so, not a hole', async () => {
  const { records, sink } = store()
  const time = createFakeClock()
  let isWrong = false
  const clock = { ...time, nowMs: () => (isWrong ? NaN : time.nowMs()) }
  const { core, call } = bench(() => sink, { clock })
  call()
  isWrong = true
  call()
  isWrong = false
  call()
  await Promise.all([core.close(), time.advance(100)])
  expect(numbers(open(records))).toEqual(['0start', '1', '2-2', '3', '4end'])
})

test('what cannot be published for a reason of ours is kept and tried again', async () => {
  const { records, sink } = store()
  let isBroken = true
  const packer: Packer = {
    ...plain,
    sealer: () => {
      if (isBroken) throw new Error('broken')
      return plain.sealer()
    },
  }
  const { core, clock, call, problems } = bench(() => sink, { packer })
  call()
  await clock.advance(6000)
  expect(problems.map(({ code }) => code)).toEqual(['SERVICE_ERROR'])
  let isFlushed = false
  const flushed = core.flush().then(() => (isFlushed = true))
  await clock.advance(6000)
  expect(isFlushed).toBe(false)
  isBroken = false
  await clock.advance(6000)
  await flushed
  expect(numbers(open(records))).toEqual(['0start', '1'])
})

test('rounds of one logical call are counted by the state that they carry', async () => {
  const { records, sink } = store()
  const { core, clock } = bench(() => sink)
  const channel = core.open({ id: 'e', transport: 'http', tenant: 'default' })
  const say = (direction: 'client_to_server' | 'server_to_client', message: object): void =>
    channel.message({ direction, message: { jsonrpc: '2.0', ...message }, body: snapshot(message) })
  const ask = { resultType: 'input_required', requestState: 'state-1' }
  const meta = {
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    baggage: 'a=b,gen_ai.conversation.id=conv-5',
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'c', version: '2' },
  }
  say('client_to_server', { id: 0, method: 'tools/call', params: { name: 't', _meta: meta } })
  say('server_to_client', { id: 0, result: ask })
  say('client_to_server', { id: 1, method: 'tools/call', params: { name: 't', requestState: 'state-1' } })
  say('server_to_client', { id: 1, result: { resultType: 'complete' } })
  await Promise.all([core.close(), clock.advance(100)])
  const [, first, second] = open(records)
  expect([first?.round, second?.round]).toEqual([0, 1])
  expect(first).toMatchObject({
    outcome: 'input_required',
    trace_id: '0af7651916cd43dd8448eb211c80319c',
    span_id: 'b7ad6b7169203331',
    conversation_id: 'conv-5',
    protocol_version: '2026-07-28',
    client: { name: 'c', version: '2' },
  })
})

interface Topic {
  readonly records: SealedRecord[]
  mode: 'up' | 'down' | 'hangs'
  /** Lets publishes that hang go on. */
  readonly resume: () => void
  readonly publish: (records: readonly SealedRecord[]) => Promise<void>
}

function topic(): Topic {
  const records: SealedRecord[] = []
  let waiting: (() => void)[] = []
  const state: Topic = {
    records,
    mode: 'up',
    resume: () => {
      state.mode = 'up'
      for (const go of waiting) go()
      waiting = []
    },
    publish: async some => {
      if (state.mode === 'hangs') await new Promise<void>(resolve => waiting.push(resolve))
      if (state.mode === 'down') throw new Error('down')
      records.push(...some)
    },
  }
  return state
}

test.each(['down', 'hangs'] as const)(
  'while the bus %s batches go to the spool, and from there in order',
  async mode => {
    const bus = topic()
    const spool = createMemorySpool(1_000_000)
    const sinks: Sink[] = []
    const { core, clock, call } = bench((time, problems) => {
      const sink = createBusSink({
        publish: bus.publish,
        spool,
        clock: time,
        onProblem: one => problems.push(one),
      })
      sinks.push(sink)
      return sink
    })
    const burst = async (): Promise<void> => {
      for (let n = 0; n < 5; n++) call()
      await clock.advance(2000)
    }
    await burst()
    bus.mode = mode
    await burst()
    await burst()
    expect(spool.sizeBytes()).toBeGreaterThan(0)
    bus.resume()
    await burst()
    await clock.advance(20_000)
    await burst()
    await Promise.all([core.close(), clock.advance(20_000)])
    await sinks[0]?.drained()
    expect(spool.sizeBytes()).toBe(0)
    let next = 0
    for (const { source, lane } of open(bus.records)) {
      if (lane?.state === 'alive' || source.seq < next) continue
      expect(source.seq).toBe(next)
      next = source.seq + 1
    }
    expect(next).toBe(27)
  },
)

test('a spool at its cap says so and the ring holds the rest', async () => {
  const spool = createMemorySpool(1000)
  const { core, clock, call, problems } = bench(() => createSpoolSink(spool))
  for (let n = 0; n < 50; n++) {
    call()
    await clock.advance(20)
  }
  expect(problems.some(one => isAppError(one, 'LIMIT_EXCEEDED'))).toBe(true)
  expect(core.stats().dropped).toBe(0)
})
