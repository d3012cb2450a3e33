import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { decodeFrames, observationSchema, parseBatchHeaders } from '@muniment/schema'
import type { Packer, SealedRecord } from '../src/batch.ts'
import { createInterceptorCore, type Channel, type Core } from '../src/core.ts'
import type { Direction } from '../src/record.ts'
import { snapshot } from '../src/snapshot.ts'
import { heapBytes, randomOf } from './chance.ts'
import { createFakeClock } from './fake-clock.ts'

const plain: Packer = {
  encoding: 'gzip',
  compress: async bytes => bytes,
  compressSync: bytes => bytes,
  sealer: () => ({ kid: 'k', seal: bytes => bytes, overheadBytes: 48 }),
}

interface World {
  readonly core: Core
  readonly channels: Channel[]
  readonly below: (limit: number) => number
  /** Of every request that was sent, by its mark. */
  readonly sent: Set<string>
  readonly advance: (ms: number) => Promise<void>
}

const directions: readonly Direction[] = ['client_to_server', 'server_to_client']
const channelCount = 24

function open({ core }: Pick<World, 'core'>, name: number): Channel {
  return core.open({ id: `c${name}`, transport: 'in_memory', tenant: 'default' })
}

function say(channel: Channel, direction: Direction, message: unknown): void {
  channel.message({ direction, message, body: snapshot(message) })
}

function request({ sent, below }: World, channel: Channel, direction: Direction): void {
  const mark = `m${sent.size}`
  sent.add(mark)
  const id = below(2) === 0 ? below(12) : `s${below(6)}`
  say(channel, direction, { jsonrpc: '2.0', id, method: 'tools/call', params: { name: mark } })
}

/** What can happen to a channel, each as likely as it stands here often. */
const steps: readonly ((world: World, channel: Channel, direction: Direction) => unknown)[] = [
  request,
  request,
  request,
  request,
  // Of a request that is open, was answered before, or never was.
  ({ below }, channel, direction) =>
    say(channel, direction, { jsonrpc: '2.0', id: below(14), result: { content: [] } }),
  ({ below }, channel, direction) =>
    say(channel, direction, { jsonrpc: '2.0', id: `s${below(7)}`, result: {} }),
  ({ below }, channel, direction) =>
    say(channel, direction, { jsonrpc: '2.0', id: below(12), error: { code: -1, message: 'no' } }),
  ({ below }, channel, direction) =>
    say(channel, direction, {
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: below(14) },
    }),
  (_, channel, direction) => say(channel, direction, { jsonrpc: '2.0', method: 'notifications/progress' }),
  (_, channel, direction) => say(channel, direction, [null, 7, {}]),
  ({ advance }) => advance(100),
  (world, channel) => {
    if (world.below(8) > 0) return
    channel.close('closed')
    const at = world.channels.indexOf(channel)
    world.channels[at] = open(world, world.below(1e9))
  },
  ({ below, advance }) => (below(100) === 0 ? advance(3_600_000) : undefined),
]

/** How often each marked request came to an end, and in which order its lane was numbered. */
function endsIn(records: readonly SealedRecord[]): Map<string, number> {
  const ends = new Map<string, number>()
  let next = 0
  for (const { key, headers, value } of records) {
    expect(parseBatchHeaders(key, headers).parts).toBe(1)
    for (const { envelope } of decodeFrames(value)) {
      const { kind, target, source, lane, gap } = observationSchema.parse(
        JSON.parse(Buffer.from(envelope).toString()),
      )
      if (lane?.state === 'alive') continue
      expect(gap?.from_seq ?? source.seq).toBe(next)
      next = source.seq + 1
      if (kind !== 'rejected' && target !== undefined) ends.set(target, (ends.get(target) ?? 0) + 1)
    }
  }
  return ends
}

interface Played {
  readonly ends: Map<string, number>
  readonly sent: ReadonlySet<string>
  readonly pending: number
}

async function play(seed: number, requests: number): Promise<Played> {
  const records: SealedRecord[] = []
  const clock = createFakeClock()
  const core = createInterceptorCore({
    instance: 'i',
    epoch: 0,
    version: '0',
    tenant: 'default',
    clock,
    random: size => randomBytes(size),
    packer: plain,
    onProblem: () => undefined,
    ringMaxBytes: 64 * 1024 * 1024,
    sink: {
      write: async some => void records.push(...some),
      drained: () => Promise.resolve(),
      writeSync: some => void records.push(...some),
      [Symbol.asyncDispose]: async () => undefined,
    },
  })
  const channels = Array.from({ length: channelCount }, (_, name) => open({ core }, name))
  const world: World = { core, channels, below: randomOf(seed), sent: new Set(), advance: clock.advance }
  while (world.sent.size < requests) {
    const channel = channels[world.below(channelCount)]
    const direction = directions[world.below(2)]
    if (channel !== undefined && direction !== undefined)
      await steps[world.below(steps.length)]?.(world, channel, direction)
  }
  await Promise.all([core.close(), clock.advance(1000)])
  const pending = channels.reduce((sum, channel) => sum + channel.pending(), 0)
  return { ends: endsIn(records), sent: world.sent, pending }
}

test.each([1, 2, 3])(
  'of 10,000 requests among answers, cancellations, closings, doubles and strangers each ends exactly once (seed %i)',
  async seed => {
    const { ends, sent, pending } = await play(seed, 10_000)
    expect(sent.size).toBe(10_000)
    expect([...sent].filter(mark => ends.get(mark) !== 1)).toEqual([])
    expect(ends.size).toBe(10_000)
    expect(pending).toBe(0)
  },
  60_000,
)

test('memory returns to where it was, however many requests came and went', async () => {
  await play(4, 3000)
  const before = heapBytes()
  await play(5, 10_000)
  // 10,000 requests, of which each that stayed would keep half a kilobyte and more.
  expect(heapBytes() - before).toBeLessThan(2 * 1024 * 1024)
}, 60_000)
