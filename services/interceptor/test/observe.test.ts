import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { observeChannel, type Channel } from '../src/observe.ts'
import type { ChannelInfo, Direction, Exchange } from '../src/record.ts'
import { snapshot } from '../src/snapshot.ts'
import { createFakeClock } from './fake-clock.ts'

const info: ChannelInfo = { id: 'c', transport: 'in_memory', tenant: 'default' }
const limits = { maxPending: 64, maxPendingBytes: 1_000_000 }

interface Probe {
  readonly channel: Channel
  readonly ended: Exchange[]
  readonly isBusy: () => boolean
  readonly send: (direction: Direction, message: unknown) => void
}

function probe(bounds = limits): Probe {
  const ended: Exchange[] = []
  let isBusy = false
  const channel = observeChannel({
    info,
    clock: createFakeClock(),
    limits: bounds,
    emit: one => ended.push(one),
    onBusy: busy => {
      isBusy = busy
    },
  })
  const send = (direction: Direction, message: unknown): void =>
    channel.message({ direction, message, body: snapshot(message) })
  return { channel, ended, isBusy: () => isBusy, send }
}

const [up, down] = ['client_to_server', 'server_to_client'] as const
const request = (id: unknown, method = 'ping', params: object = {}): object => ({
  jsonrpc: '2.0',
  id,
  method,
  params,
})
const result = (id: unknown, value: unknown = {}): object => ({ jsonrpc: '2.0', id, result: value })
const cancel = (requestId: unknown): object => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId },
})

describe('an exchange', () => {
  test.each([
    ['a result', result(1), { kind: 'call', outcome: 'ok' }],
    [
      'a tool error',
      result(1, { isError: true, content: [{}, {}] }),
      { outcome: 'tool_error', itemCount: 2 },
    ],
    [
      'an error',
      { jsonrpc: '2.0', id: 1, error: { code: -32601, message: 'no' } },
      { outcome: 'rpc_error', failure: { code: -32601, type: '-32601' } },
    ],
    [
      'a broken error',
      { jsonrpc: '2.0', id: 1, error: 'no' },
      { outcome: 'rpc_error', failure: { type: 'invalid_error' } },
    ],
    [
      'a question',
      result(1, { resultType: 'input_required', requestState: 's' }),
      { outcome: 'input_required', stateOut: 's' },
    ],
    ['a task of 2026', result(1, { resultType: 'task', taskId: 't' }), { outcome: 'task', taskId: 't' }],
    ['a task of 2025', result(1, { task: { taskId: 't' } }), { outcome: 'task', taskId: 't' }],
  ])('ends with %s', (_what, answer, expected) => {
    const { send, ended } = probe()
    send(up, request(1, 'tools/call', { name: 'x' }))
    send(down, answer)
    expect(ended).toEqual([
      expect.objectContaining({ method: 'tools/call', target: 'x', direction: up, ...expected }),
    ])
  })

  test.each([
    ['prompts/get', { name: 'p' }, 'p'],
    ['resources/read', { uri: 'file:///x' }, 'file:///x'],
    ['completion/complete', { ref: { uri: 'u' } }, 'u'],
    ['tasks/get', { taskId: 't' }, 't'],
    ['tools/list', {}, undefined],
  ])('of %s names its target', (method, params, target) => {
    const { send, ended } = probe()
    send(up, request(1, method, params))
    send(down, result(1))
    expect(ended[0]?.target).toBe(target)
  })

  test('that the server asks for goes the other way, with ids of its own', () => {
    const { send, ended } = probe()
    send(up, request(1, 'tools/call'))
    send(down, request(1, 'roots/list'))
    send(up, result(1))
    send(down, result(1))
    expect(ended.map(({ method, direction }) => [method, direction])).toEqual([
      ['roots/list', down],
      ['tools/call', up],
    ])
  })

  test('whose id is used again while it is open ends too, in order', () => {
    const { send, ended } = probe()
    send(up, request(1, 'a'))
    send(up, request(1, 'b'))
    send(down, result(1))
    send(down, result(1))
    expect(ended.map(({ method, outcome }) => [method, outcome])).toEqual([
      ['a', 'ok'],
      ['b', 'ok'],
    ])
  })

  test('with id 1 is not the one with id "1"', () => {
    const { send, ended, channel } = probe()
    send(up, request(1, 'a'))
    send(down, result('1'))
    expect(ended.map(({ kind, failure }) => [kind, failure?.type])).toEqual([
      ['rejected', 'unmatched_response'],
    ])
    expect(channel.pending()).toBe(1)
  })

  test('of subscriptions/listen is a stream', () => {
    const { send, ended } = probe()
    send(up, request(1, 'subscriptions/listen'))
    send(up, cancel(1))
    expect(ended.map(({ kind, outcome }) => [kind, outcome])).toEqual([
      ['stream', 'cancelled'],
      ['notification', undefined],
    ])
  })

  test('past its deadline is unanswered, and a late answer is recorded as what it is', () => {
    const { send, ended, channel } = probe()
    send(up, request(1))
    channel.expire(1)
    send(down, result(1))
    expect(ended.map(({ kind, failure }) => [kind, failure?.type])).toEqual([
      ['unanswered', 'deadline'],
      ['rejected', 'unmatched_response'],
    ])
  })

  test.each([
    null,
    5,
    'text',
    [],
    {},
    { jsonrpc: '1.0', method: 'x' },
    { jsonrpc: '2.0' },
    request(null),
    request({}),
  ])('is not made of %j, which is rejected', message => {
    const { send, ended } = probe()
    send(up, message)
    expect(ended).toEqual([
      expect.objectContaining({ kind: 'rejected', failure: { type: 'invalid_request' } }),
    ])
  })
})

test('the open requests of a channel are bounded: the oldest ends first', () => {
  const { send, ended, channel } = probe({ maxPending: 3, maxPendingBytes: 1_000_000 })
  for (const id of [1, 2, 3, 4, 5]) send(up, request(id))
  expect(channel.pending()).toBe(3)
  expect(ended.map(({ rpcId, failure }) => [rpcId, failure?.type])).toEqual([
    [1, 'evicted'],
    [2, 'evicted'],
  ])
})

test('the bytes of open requests are bounded too', () => {
  const { send, channel } = probe({ maxPending: 1000, maxPendingBytes: 10_000 })
  for (let id = 0; id < 100; id++) send(up, request(id, 'x', { text: 'y'.repeat(1000) }))
  expect(channel.pending()).toBeLessThan(10)
})

type Step =
  | { readonly type: 'request' | 'response' | 'cancel'; readonly direction: Direction; readonly id: number }
  | { readonly type: 'junk'; readonly direction: Direction; readonly value: unknown }
  | { readonly type: 'expire' | 'close' }

const direction = fc.constantFrom<Direction>(up, down)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constantFrom('request', 'response', 'cancel'),
      direction,
      id: fc.nat(20),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('junk' as const), direction, value: fc.jsonValue() }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('expire', 'close') }) },
)

function play({ send, channel }: Probe, one: Step): void {
  switch (one.type) {
    case 'request':
      return send(one.direction, request(one.id))
    case 'response':
      return send(one.direction, result(one.id))
    case 'cancel':
      return send(one.direction, cancel(one.id))
    case 'junk':
      return send(one.direction, one.value)
    case 'expire':
      return channel.expire(Infinity)
    case 'close':
      return channel.close('closed')
  }
}

const terminal = new Set(['call', 'stream', 'cancelled', 'unanswered'])

test('whatever happens in whatever order, each request ends exactly once and nothing stays behind', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), steps => {
      const one = probe()
      const sent = new Map<unknown, number>()
      for (const each of steps) play(one, each)
      one.channel.close('closed')
      for (const each of steps)
        if (each.type === 'request') {
          const name = `${each.direction} ${each.id}`
          sent.set(name, (sent.get(name) ?? 0) + 1)
        }
      const ended = new Map<unknown, number>()
      for (const { kind, direction: way, rpcId, method } of one.ended) {
        if (!terminal.has(kind) || method !== 'ping') continue
        ended.set(`${way} ${rpcId}`, (ended.get(`${way} ${rpcId}`) ?? 0) + 1)
      }
      expect(ended).toEqual(sent)
      expect([one.channel.pending(), one.isBusy()]).toEqual([0, false])
    }),
    { numRuns: 300 },
  )
})

test('a snapshot is what was sent, whatever is done to the message afterwards', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), value => {
      const before = JSON.stringify(value)
      const kept = snapshot(value)
      if (typeof value === 'object' && value !== null)
        for (const name of Object.keys(value)) Reflect.deleteProperty(value, name)
      expect(JSON.stringify(kept.json)).toBe(before)
    }),
  )
})

test('a snapshot keeps a member named __proto__, and does not follow it', () => {
  const text = '{"__proto__":{"polluted":true},"a":1}'
  const { json } = snapshot(JSON.parse(text))
  expect(JSON.stringify(json)).toBe(text)
  expect(Reflect.get({}, 'polluted')).toBeUndefined()
})

test.each([
  ['a long text', { text: 'x'.repeat(100_000) }, 100_000],
  [
    'many members',
    Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`name${at}`, 'value'])),
    90_000,
  ],
  ['a long list', { list: Array.from({ length: 100_000 }, () => 'abcdefgh') }, 1_100_000],
  ['deep nesting', JSON.parse('['.repeat(5000) + ']'.repeat(5000)), 10_000],
])('the estimated size of %s is near the real one', (_what, value, real) => {
  const { sizeBytes } = snapshot(value)
  expect(sizeBytes / real).toBeGreaterThan(0.1)
  expect(sizeBytes / real).toBeLessThan(3)
})
