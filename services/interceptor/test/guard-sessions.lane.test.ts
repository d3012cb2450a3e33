import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { sessions, type GuardPart, type SessionsOptions } from '../src/guard/index.ts'
import { createSessionTable, nobody } from '../src/guard/session-table.ts'
import { observeListener } from '../src/http.ts'
import { startProxy, type Proxy, type ProxyOptions } from '../src/proxy.ts'
import { newClientV1 } from './conversation.ts'
import { call, listen, post, type Listening } from './http-lab.ts'
import { client, sessions as sdkServer, type Serve } from './http-servers.ts'
import { openLab, type Lab } from './support.ts'

const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: {} }
const ours = /^[\w-]{43}$/u

let lab: Lab
let upstream: Listening
let serve: Serve
let proxy: Proxy | undefined
/** What sessions the upstream was asked for. */
let asked: (string | undefined)[] = []
let known = new Set<string>()

/** A server whose ids anybody can guess. */
async function guessable(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const id = request.headers['mcp-session-id']?.toString()
  asked.push(id)
  const body = await text(request)
  if (id !== undefined && !known.has(id)) return void response.writeHead(404).end()
  const session = id ?? `session-${known.size + 1}`
  known.add(session)
  response.setHeader('Mcp-Session-Id', session)
  if (request.method === 'DELETE') {
    known.delete(session)
    return void response.writeHead(204).end()
  }
  if (request.method === 'GET') {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    return void response.write(': here\n\n')
  }
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { session, of: body.length } }))
}

/** Takes a name for who it says it is: what is tried here is not authentication. */
const named: GuardPart = {
  stage: 'authenticate',
  open: () => ({
    door: ({ header }) => {
      const id = header('x-user')
      return id === undefined ? undefined : { principal: { id, method: 'api_key' }, notes: [] }
    },
  }),
}

async function front(options: SessionsOptions = {}, more: Partial<ProxyOptions> = {}): Promise<URL> {
  proxy = await startProxy({
    home: lab.home,
    onProblem: () => undefined,
    routes: [{ path: '/a', upstream: upstream.url }],
    guard: [sessions(options), named],
    ...more,
  })
  return new URL('/a', proxy.url)
}

interface Shown {
  readonly user?: string
  readonly session?: string
  readonly method?: string
  readonly version?: string
}

function ask(url: URL, { user = 'ada', session, method = 'POST', version }: Shown = {}): Promise<Response> {
  const headers = {
    'x-user': user,
    ...(session !== undefined && { 'mcp-session-id': session }),
    ...(version !== undefined && { 'mcp-protocol-version': version }),
  }
  const { body, ...init } = post(session === undefined ? initialize : call, headers)
  return fetch(url, { ...init, method, ...(method === 'POST' && { body }) })
}

async function begin(url: URL, user?: string): Promise<string> {
  const response = await ask(url, user === undefined ? {} : { user })
  await response.text()
  return response.headers.get('mcp-session-id') ?? ''
}

async function statusOf(url: URL, shown: Shown): Promise<number> {
  const response = await ask(url, shown)
  await response.text()
  return response.status
}

beforeEach(async () => {
  lab = await openLab()
  asked = []
  known = new Set()
  serve = guessable
  upstream = await listen((request, response) => serve(request, response))
})
afterEach(async () => {
  vi.useRealTimers()
  await proxy?.close(0)
  await upstream[Symbol.asyncDispose]()
  await lab[Symbol.asyncDispose]()
})

describe('an id of a session', () => {
  test('is ours for the client and the server’s own for the server, and each sees no other', async () => {
    const url = await front()
    const [first, second] = [await begin(url), await begin(url)]
    expect([first, second]).toEqual([expect.stringMatching(ours), expect.stringMatching(ours)])
    expect(first).not.toBe(second)
    const response = await ask(url, { session: second })
    expect(response.headers.get('mcp-session-id')).toBe(second)
    expect(await response.json()).toMatchObject({ result: { session: 'session-2' } })
    expect(asked).toEqual([undefined, undefined, 'session-2'])
  })

  test('stands in no record: what the server calls its session does', async () => {
    const url = await front()
    const session = await begin(url)
    expect(await statusOf(url, { session })).toBe(200)
    expect(await statusOf(url, { session, user: 'eve' })).toBe(404)
    await proxy?.close(2000)
    const seen = (await lab.collect()).filter(({ observation }) => observation.kind !== 'heartbeat')
    expect(seen.map(({ observation: { session_id: id, outcome } }) => [id, outcome])).toContainEqual([
      'session-1',
      'ok',
    ])
    expect(JSON.stringify(seen)).not.toContain(session)
    const refused = seen.filter(({ observation }) => observation.kind === 'rejected')
    expect(refused.map(({ observation }) => observation.policy)).toEqual([
      [{ name: 'sessions', decision: 'refuse', reason: 'session_other' }],
    ])
  })
})

describe('a session is refused, and the server not asked,', () => {
  test.each<[string, (url: URL) => Promise<Shown>]>([
    ['that a client made up', async () => ({ session: 'a'.repeat(43) })],
    ['that the server would know', async url => ({ session: await begin(url).then(() => 'session-1') })],
    ['of somebody else', async url => ({ session: await begin(url), user: 'eve' })],
    ['that was begun before anybody was known', async url => ({ session: await begin(url, '') })],
    ['that was begun with another server', async url => ({ session: await begin(new URL('/b', url)) })],
    ['of two ids', async url => ({ session: `${await begin(url)}, session-1` })],
    ['pushed on who begins one', async () => ({ session: 'pushed' })],
    [
      'after its DELETE',
      async url => {
        const session = await begin(url)
        expect(await statusOf(url, { session, method: 'DELETE' })).toBe(204)
        expect(known.size).toBe(0)
        return { session }
      },
    ],
    [
      'after half an hour without a use',
      async url => {
        const session = await begin(url)
        vi.setSystemTime(Date.now() + 1_800_001)
        return { session }
      },
    ],
    [
      'after twelve hours, however much it was used',
      async url => {
        const session = await begin(url)
        for (let quarter = 0; quarter < 47; quarter++) {
          vi.setSystemTime(Date.now() + 900_000)
          expect(await statusOf(url, { session })).toBe(200)
        }
        vi.setSystemTime(Date.now() + 900_001)
        return { session }
      },
    ],
    [
      'that an operator has ended',
      async url => {
        const session = await begin(url)
        await lab.decide({ scope: 'sessions', value: '*', action: 'end', reason: 'leak', lifeMs: 60_000 })
        await expect.poll(() => statusOf(url, { session }), { timeout: 10_000 }).toBe(404)
        return { session }
      },
    ],
    [
      'that the server has forgotten',
      async url => {
        const session = await begin(url)
        known = new Set()
        expect(await statusOf(url, { session })).toBe(404)
        known = new Set(['session-1'])
        return { session }
      },
    ],
    [
      'whose id the server gave out again, after it began anew',
      async url => {
        const session = await begin(url)
        known = new Set()
        expect(await begin(url, 'bob')).toMatch(ours)
        return { session }
      },
    ],
  ])('%s', async (_, attack) => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const routes = ['/a', '/b'].map(path => ({ path, upstream: upstream.url }))
    const url = await front({}, { routes })
    const shown = await attack(url)
    const before = asked.length
    expect(await statusOf(url, shown)).toBe(404)
    expect(asked.length).toBe(before)
    // And nobody is kept out: who begins anew has a session.
    expect(await begin(url)).toMatch(ours)
  })
})

describe('what is under way in a session', () => {
  test.each<[string, (url: URL, session: string) => Promise<unknown>]>([
    ['its DELETE', (url, session) => statusOf(url, { session, method: 'DELETE' })],
    [
      'an operator',
      () => lab.decide({ scope: 'sessions', value: '*', action: 'end', reason: 'leak', lifeMs: 60_000 }),
    ],
  ])('is cut short by %s', async (_, end) => {
    const url = await front()
    const session = await begin(url)
    const stream = await ask(url, { session, method: 'GET' })
    const read = stream.text().then(
      () => 'ended',
      () => 'cut',
    )
    await end(url, session)
    expect(await read).toBe('cut')
  })

  test('keeps it from being idle, but not beyond its time', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const url = await front({ absoluteMs: 3_600_000 })
    const session = await begin(url)
    const stream = await ask(url, { session, method: 'GET' })
    vi.setSystemTime(Date.now() + 3_000_000)
    expect(await statusOf(url, { session })).toBe(200)
    vi.setSystemTime(Date.now() + 700_000)
    expect(await statusOf(url, { session })).toBe(404)
    await expect(stream.text()).rejects.toThrow('terminated')
  })
})

test.each([
  ['of another tenant', { scope: 'sessions', value: '*', action: 'end', tenant: 'other' }],
  ['about something else', { scope: 'principal', value: 'ada', action: 'observe' }],
] as const)('a decision %s ends nothing', async (_, draft) => {
  const url = await front()
  const session = await begin(url)
  await lab.decide({ ...draft, reason: 'test', lifeMs: 60_000 })
  // The one after it is taken, so this one was.
  await lab.decide({ scope: 'sessions', value: 'x', action: 'end', reason: 'test', lifeMs: 60_000 })
  expect(await statusOf(url, { session })).toBe(200)
})

test('in the modern era there are none: what a client calls one is left out, and what a server names is not passed on', async () => {
  const url = await front()
  const session = await begin(url)
  const response = await ask(url, { session, version: '2026-07-28' })
  expect(response.status).toBe(200)
  expect(response.headers.has('mcp-session-id')).toBe(false)
  expect(asked).toEqual([undefined, undefined])
})

test('what an upstream refuses begins no session', async () => {
  serve = (_, response) => void response.writeHead(400, { 'Mcp-Session-Id': 'session-1' }).end()
  const response = await ask(await front())
  expect([response.status, response.headers.has('mcp-session-id')]).toEqual([400, false])
})

describe('memory is bounded:', () => {
  test('a flood pushes out what was used least recently, and of one principal only its own', () => {
    const table = createSessionTable({
      now: () => 0,
      idleMs: 1,
      absoluteMs: 1,
      most: 1000,
      mostPerOwner: 10,
    })
    const [place, owner] = ['/', 'ada']
    const kept = table.begin('mine', { place, owner })
    for (let round = 0; round < 10_000; round++) table.begin(`m${round}`, { place, owner: 'eve' })
    expect(table.size()).toBe(11)
    for (let round = 0; round < 100_000; round++) {
      table.begin(`n${round}`, { place, owner: nobody })
      if (round % 500 === 0) table.find(kept, { place, owner })
    }
    expect(table.size()).toBe(1000)
    expect(table.find(kept, { place, owner })).toMatchObject({ upstreamId: 'mine' })
  })

  test('ids are 256 random bits: no two begin alike, and each bit is as often one as zero', () => {
    const table = createSessionTable({
      now: () => 0,
      idleMs: 1,
      absoluteMs: 1,
      most: 5000,
      mostPerOwner: 5000,
    })
    const ids = Array.from({ length: 4000 }, (_, round) => table.begin(`${round}`, { place: '', owner: 'a' }))
    const bytes = ids.map(id => Buffer.from(id, 'base64url'))
    expect(new Set(bytes.map(each => each.subarray(0, 8).toString('hex'))).size).toBe(4000)
    for (let bit = 0; bit < 256; bit++) {
      const ones = bytes.filter(each => ((each[bit >> 3] ?? 0) >> (bit & 7)) & 1).length
      // Seven standard deviations.
      expect(Math.abs(ones - 2000)).toBeLessThan(222)
    }
  })
})

test.each(['v1', 'v2'] as const)('a client of the official %s has its whole conversation', async line => {
  serve = sdkServer()
  const url = await front()
  const talk = await client(line, url)
  expect(JSON.stringify(await talk.list())).toContain('echo')
  await talk.close()
})

test('the official client listens, ends its session, and begins another', async () => {
  serve = sdkServer()
  const url = await front()
  const [transport, mcp] = [new StreamableHTTPClientTransport(url), newClientV1()]
  await mcp.connect(transport)
  expect(transport.sessionId).toMatch(ours)
  expect((await mcp.listTools()).tools.length).toBeGreaterThan(0)
  const ended = transport.sessionId ?? ''
  await transport.terminateSession()
  await mcp.close()
  expect(await statusOf(url, { session: ended })).toBe(404)
  const again = newClientV1()
  await again.connect(new StreamableHTTPClientTransport(url))
  expect((await again.listTools()).tools.length).toBeGreaterThan(0)
  await again.close()
})

test.each<[string, SessionsOptions, string]>([
  ['no idle time', { idleMs: 0 }, 'idleMs'],
  ['a life longer than that of decisions', { absoluteMs: 32 * 86_400_000 }, 'absoluteMs'],
  ['no number', { most: NaN }, 'most'],
])('%s cannot be meant', (_, options, name) => {
  expect(() => sessions(options)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(name) }),
  )
})

test('an edge says where sessions of our own belong', () => {
  expect(() => observeListener(() => undefined, { home: lab.home, guard: sessions() })).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', hint: expect.stringContaining('proxy') }),
  )
})
