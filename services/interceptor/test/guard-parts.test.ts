import { InMemoryTransport as MemoryV1 } from '@modelcontextprotocol/sdk/inMemory.js'
import { InMemoryTransport as MemoryV2 } from '@modelcontextprotocol/server'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createLineGate, type LineGate } from '../src/attach/gate.ts'
import { wrapStdio } from '../src/attach/stdio.ts'
import { openGuards } from '../src/guard/compose.ts'
import { stages, type Guard, type GuardPart, type Stage, type Subject } from '../src/guard/guard.ts'
import { createJudge, type Judge } from '../src/guard/judge.ts'
import { hostOf } from '../src/host.ts'
import { attach, tap, type Problem } from '../src/index.ts'
import { isMembers, member, type Members } from '../src/json.ts'
import { readSettings } from '../src/main-env.ts'
import { observeChannel } from '../src/observe.ts'
import type { Exchange } from '../src/record.ts'
import { lines, newClientV1, newClientV2, talkV1, talkV2, type Line, type Talk } from './conversation.ts'
import { createFakeClock } from './fake-clock.ts'
import { serverV1, serverV2 } from './servers.ts'
import { openLab, type Lab, type Seen } from './support.ts'

function part(stage: Stage, guard: Guard): GuardPart {
  return { stage, open: () => guard }
}

/** A part that tells in which order it was asked. */
function marker(name: string, stage: Stage, told: string[]): GuardPart {
  const tell = (what: string) => (): undefined => void told.push(`${name} ${what}`)
  return part(stage, { request: tell('request'), response: tell('response'), door: tell('door') })
}

/** The same message with another text wherever one stands. */
function replaced(message: Members, from: string, to: string): Members {
  const changed: unknown = JSON.parse(JSON.stringify(message).replaceAll(from, to))
  return isMembers(changed) ? changed : message
}

const isCall = (subject: Subject): boolean => subject.method === 'tools/call'
const later = <T>(value: T): Promise<T> => new Promise(resolve => setTimeout(() => resolve(value), 15))

const masking: GuardPart = part('mask', {
  request: (subject, message) =>
    isCall(subject)
      ? { message: replaced(message, '<name>', 'Alice'), notes: [{ name: 'mask', decision: 'restore' }] }
      : undefined,
  response: (subject, message) =>
    isCall(subject)
      ? { message: replaced(message, 'Alice', '<name>'), notes: [{ name: 'mask', decision: 'mask' }] }
      : undefined,
  other: (_, message) => ({ message: replaced(message, 'hello', '<word>'), notes: [] }),
})

/** The same, after a moment. */
const maskingLater: GuardPart = part('mask', {
  request: async (subject, message) => later(await masking.open(context).request?.(subject, message)),
  response: async (subject, message) => later(await masking.open(context).response?.(subject, message)),
})

const settings = readSettings({ home: '/nonexistent' }, {})
const context = { settings, follow: () => undefined }

let lab: Lab
let problems: Problem[] = []
beforeEach(async () => {
  lab = await openLab()
  problems = []
})
afterEach(async () => {
  await hostOf(readSettings({ home: lab.home })).close(2000)
  await lab[Symbol.asyncDispose]()
})

async function end(): Promise<Seen[]> {
  await hostOf(readSettings({ home: lab.home })).close(2000)
  return await lab.collect()
}

async function talk(line: Line, guard: GuardPart | readonly GuardPart[]): Promise<Talk> {
  const options = { home: lab.home, onProblem: (one: Problem) => problems.push(one), guard }
  if (line === 'v1') {
    const [near, far] = MemoryV1.createLinkedPair()
    await attach(serverV1(), options).connect(far)
    return await talkV1(newClientV1(), near)
  }
  const [near, far] = MemoryV2.createLinkedPair()
  await attach(serverV2(), options).connect(far)
  return await talkV2(newClientV2(), near)
}

async function echo(client: Talk, text: string): Promise<string> {
  return await client.call('echo', { text }).then(
    answer => JSON.stringify(answer),
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
}

describe.each(lines)('the parts of a guard before a server of SDK %s', line => {
  test('run in the order of their places on the way in and in the reverse on the way out', async () => {
    const told: string[] = []
    const inOrder = stages.map(stage => marker(stage, stage, told))
    const client = await talk(line, inOrder.toReversed())
    told.length = 0
    await echo(client, 'hello')
    const expected = [
      ...stages.map(stage => `${stage} request`),
      ...stages.toReversed().map(stage => `${stage} response`),
    ]
    expect(told).toEqual(expected)
  })

  test.each([
    ['at once', masking],
    ['later', maskingLater],
  ])(
    'change %s what the server gets and what the client gets, and the event has what was sent',
    async (_, guard) => {
      const client = await talk(line, guard)
      const answer = await echo(client, 'It is <name>.')
      expect(answer).toContain('It is <name>.')
      await client.close()
      const [seen, ...others] = (await end()).filter(({ observation }) => observation.target === 'echo')
      expect(others).toEqual([])
      expect(seen?.observation).toMatchObject({
        outcome: 'ok',
        policy: [
          { name: 'mask', decision: 'restore' },
          { name: 'mask', decision: 'mask' },
        ],
      })
      expect(seen?.request?.toString()).toContain('It is <name>.')
      expect(seen?.response?.toString()).toContain('It is Alice.')
    },
  )

  test('change notifications too', async () => {
    const notices: unknown[] = []
    const client = await talk(
      line,
      part('mask', {
        other: (_, message, direction) => {
          if (direction === 'server_to_client') notices.push(message['method'])
          return undefined
        },
      }),
    )
    await client.call('log')
    await client.call('roots')
    expect(notices).toEqual(['notifications/message', 'roots/list'])
  })

  test('keep the order of messages where one waits for its verdict', async () => {
    const reached: unknown[] = []
    const slow = part('authorise', {
      request: (_, message) =>
        member(member(message['params'], 'arguments'), 'text') === 'slow' ? later(undefined) : undefined,
    })
    const last = part('errors', {
      request: (subject, message) => {
        if (isCall(subject)) reached.push(member(member(message['params'], 'arguments'), 'text'))
        return undefined
      },
    })
    const client = await talk(line, [last, slow])
    const answers = await Promise.all(['slow', 'fast', 'slow', 'faster'].map(text => echo(client, text)))
    expect(reached).toEqual(['slow', 'fast', 'slow', 'faster'])
    expect(answers.map(each => each.includes('text'))).toEqual([true, true, true, true])
  })

  test('see the first refusal, and nothing behind it is asked', async () => {
    const told: string[] = []
    const refusing = part('authorise', {
      request: subject =>
        isCall(subject)
          ? {
              refusal: { code: 'ACCESS_DENIED' },
              notes: [{ name: 'test', decision: 'refuse', reason: 'because' }],
            }
          : undefined,
    })
    const noting = part('limit', { request: () => ({ notes: [{ name: 'limit', decision: 'take' }] }) })
    const client = await talk(line, [marker('last', 'validate', told), refusing, noting])
    told.length = 0
    expect(await echo(client, 'hello')).toContain('ACCESS_DENIED')
    expect(told).toEqual([])
    await client.close()
    const seen = (await end()).filter(({ observation }) => observation.target === 'echo')
    expect(seen.map(({ observation }) => observation)).toMatchObject([
      { kind: 'call', outcome: 'denied', policy: [{ name: 'limit' }, { name: 'test', reason: 'because' }] },
    ])
  })

  test.each<[string, Guard]>([
    ['that throws', { request: subject => (isCall(subject) ? JSON.parse('{') : undefined) }],
    ['that rejects', { request: async subject => (isCall(subject) ? JSON.parse('{') : undefined) }],
    ['that throws at an answer', { response: subject => (isCall(subject) ? JSON.parse('{') : undefined) }],
    [
      'that changes the id',
      {
        request: (subject, message) =>
          isCall(subject) ? { message: { ...message, id: 99 }, notes: [] } : undefined,
      },
    ],
    [
      'that makes another request of it',
      {
        request: (subject, message) =>
          isCall(subject) ? { message: { ...message, method: 'tools/list' }, notes: [] } : undefined,
      },
    ],
  ])('let nothing pass where there is one %s', async (_, broken) => {
    const client = await talk(line, part('validate', broken))
    expect(await echo(client, 'hello')).toContain('SERVICE_ERROR')
    expect(problems.length).toBeGreaterThan(0)
    expect(JSON.stringify(problems)).not.toContain('hello')
  })

  test('are told once of the end of each call, however it ends', async () => {
    const ended: (string | undefined)[] = []
    const client = await talk(line, part('limit', { ended: subject => ended.push(subject.target) }))
    ended.length = 0
    await echo(client, 'hello')
    const cancel = new AbortController()
    const waiting = client.call('wait', {}, cancel.signal).catch(() => undefined)
    await echo(client, 'meanwhile')
    cancel.abort()
    await waiting
    void client.call('wait').catch(() => undefined)
    await echo(client, 'last')
    await client.close()
    await expect.poll(() => ended).toEqual(['echo', 'echo', 'wait', 'echo', 'wait'])
  })
})

test('a guard is not given where a connection is observed without one already', () => {
  const [, far] = MemoryV2.createLinkedPair()
  tap(far, { home: lab.home })
  expect(() => tap(far, { home: lab.home, guard: masking })).toThrow('without the guard')
})

test('a part without a place does not open', () => {
  const nameless: object = { stage: 'somewhere', open: () => ({}) }
  expect(() => openGuards([masking, Object.assign(masking, {})], context)).not.toThrow()
  expect(() => openGuards([{ ...masking, ...nameless }], context)).toThrow('names no place')
})

test('a part that stands only at a door is refused where there is none', async () => {
  const guard = part('authenticate', { door: () => ({ refusal: { code: 'AUTH_FAILED' }, notes: [] }) })
  expect(() => attach(serverV1(), { home: lab.home, guard })).toThrow(/sees only messages/u)
  await expect(
    wrapStdio({ home: lab.home, guard, command: process.execPath, args: ['-e', ''] }),
  ).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

test('who was verified at the door is known to the parts behind it', async () => {
  const asked: unknown[] = []
  const first = part('authenticate', {
    door: () => ({ principal: { id: 'alice', method: 'api_key' }, headers: { A: '1' }, notes: [] }),
  })
  const second = part('decisions', {
    door: async ({ principal }) => {
      asked.push(principal?.id)
      return { headers: { B: '2' }, notes: [] }
    },
  })
  const guard = openGuards([second, first], context)(undefined)
  const head = { method: 'POST', target: '/', header: () => undefined, place: '/' }
  const request = { tenant: 't', ...head, address: undefined }
  expect(await guard?.door?.(request)).toMatchObject({
    principal: { id: 'alice' },
    headers: { A: '1', B: '2' },
  })
  expect(asked).toEqual(['alice'])
})

const info = { id: 'c', transport: 'stdio', tenant: 'default', serverName: 'files' } as const

function judgeOf(guard: Guard): Judge {
  return createJudge({ guard, info, labels: () => ({}), onProblem: one => problems.push(one) })
}

test('a verdict that does not come in time is a refusal', async () => {
  vi.useFakeTimers()
  try {
    const judge = judgeOf({ request: () => new Promise(() => undefined) })
    const verdict = judge.inward({ jsonrpc: '2.0', id: 1, method: 'tools/call' }, {})
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await verdict).toMatchObject({ refusal: { code: 'SERVICE_ERROR' }, answer: { id: 1 } })
  } finally {
    vi.useRealTimers()
  }
})

test('what is known of a call is kept for so many, and the end of the oldest is told', () => {
  const ended: unknown[] = []
  const judge = judgeOf({ ended: ({ target }) => ended.push(target) })
  for (let id = 0; id < 5000; id++)
    void judge.inward({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: `t${id}` } }, {})
  expect(ended).toHaveLength(5000 - 4096)
  expect(ended[0]).toBe('t0')
  judge.close()
  expect(ended).toHaveLength(5000)
})

interface Wire {
  readonly gate: LineGate
  readonly passed: () => string
  readonly answers: unknown[]
  readonly ended: Exchange[]
}

/** A gate on one side of a connection, and the judge that it shares with the other. */
function wire(judge: Judge, direction: 'client_to_server' | 'server_to_client'): Wire {
  const parts: Uint8Array[] = []
  const [answers, ended]: [unknown[], Exchange[]] = [[], []]
  const channel = observeChannel({ info, clock: createFakeClock(), emit: one => ended.push(one) })
  const gate = createLineGate({
    channel,
    judge,
    direction,
    pass: bytes => parts.push(bytes),
    answer: message => answers.push(message),
    onProblem: one => problems.push(one),
  })
  return { gate, passed: () => Buffer.concat(parts).toString(), answers, ended }
}

describe('lines of a server under wrap', () => {
  const answered = '{"jsonrpc":"2.0","id":1,"result":{"text":"Alice", "n":1.0e2}}'
  const ask = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo' } }

  test.each([
    ['at once', masking],
    ['later', maskingLater],
  ])('are changed %s, in their order, whole however they come', async (_, guard) => {
    const judge = judgeOf(guard.open(context))
    await judge.inward(ask, {})
    const { gate, passed } = wire(judge, 'server_to_client')
    const notice = '{"jsonrpc":"2.0","method":"notifications/progress","params":{"n":1.0}}'
    const text = Buffer.from(`${answered}\n${notice}\r\n[${notice}]\n`)
    for (const byte of text) await gate.push(Buffer.from([byte]))
    await gate.end()
    const [first, ...others] = passed().trimEnd().split(/\r?\n/u)
    expect(JSON.parse(first ?? '')).toMatchObject({ result: { text: '<name>' } })
    expect(others.map(line => JSON.parse(line))).toHaveLength(2)
  })

  test('are the same bytes where no part has anything to say', async () => {
    const { gate, passed } = wire(judgeOf({ response: () => undefined }), 'server_to_client')
    await gate.push(Buffer.from(`${answered}\r\n\n[${answered}]\n`))
    expect(passed()).toBe(`${answered}\r\n\n[${answered}]\n`)
  })

  test('go on in the one way in which they were judged', async () => {
    const { gate, passed } = wire(judgeOf({ response: () => undefined }), 'server_to_client')
    await gate.push(Buffer.from('{"jsonrpc":"2.0","id":1,"result":{"a":1},"result":{"b":2}}\n'))
    expect(JSON.parse(passed())).toEqual({ jsonrpc: '2.0', id: 1, result: { b: 2 } })
    expect(passed()).not.toContain('"a"')
  })

  test('that cannot be read do not go on', async () => {
    const { gate, passed, ended } = wire(judgeOf({ response: () => undefined }), 'server_to_client')
    await gate.push(Buffer.from('{"jsonrpc":"2.0","id":1,"result":"Al\n[[1]]\n'))
    expect(passed()).toBe('')
    expect(ended.map(({ failure }) => failure?.type)).toEqual(['invalid_json', 'invalid_request'])
  })
})

function callLine(id: number): string {
  const params = { name: 'echo', arguments: { text: '<name>' } }
  return JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params })
}

test('lines of a client are changed, and wait for the verdict on the line before', async () => {
  const { gate, passed, ended } = wire(judgeOf(maskingLater.open(context)), 'client_to_server')
  const waiting = gate.push(
    Buffer.from(`${callLine(1)}\n${callLine(2)}\n{"jsonrpc":"2.0","id":3,"method":"ping"}\n`),
  )
  expect(waiting).toBeInstanceOf(Promise)
  expect(passed()).toBe('')
  await waiting
  const seen = passed()
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(seen.map(({ id }) => id)).toEqual([1, 2, 3])
  expect(seen[0]).toMatchObject({ params: { arguments: { text: 'Alice' } } })
  expect(ended).toEqual([])
})
