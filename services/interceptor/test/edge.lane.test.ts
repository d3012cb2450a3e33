import { getRequestListener } from '@hono/node-server'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createMcpHandler } from '@modelcontextprotocol/server'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { hostOf } from '../src/host.ts'
import type { GuardPart } from '../src/guard/index.ts'
import { observeFetch, observeListener } from '../src/http.ts'
import { attach } from '../src/index.ts'
import { readSettings } from '../src/main-env.ts'
import { converse, newClientV2, talkV2 } from './conversation.ts'
import { nodeSessions, servers } from './edges.ts'
import { call, listen, post } from './http-lab.ts'
import { serverV2 } from './servers.ts'
import { legacyStory } from './stories.ts'
import { openLab, story, type Lab, type Seen } from './support.ts'

let lab: Lab
beforeEach(async () => {
  lab = await openLab()
})
afterEach(() => lab[Symbol.asyncDispose]())

/** What is recorded, once there are so many records: an edge hears of an end later than its client. */
async function recorded(least = 0): Promise<Seen[]> {
  const { core } = hostOf(readSettings({ home: lab.home }))
  await vi.waitFor(() => expect(core.stats().recorded).toBeGreaterThanOrEqual(least), { timeout: 5000 })
  await hostOf(readSettings({ home: lab.home })).close(2000)
  return (await lab.collect()).filter(({ observation }) => observation.kind !== 'heartbeat')
}

function attached(): ReturnType<typeof serverV2> {
  return attach(serverV2(), { home: lab.home })
}

function talk(url: URL): ReturnType<typeof talkV2> {
  return talkV2(newClientV2(), new StreamableHTTPClientTransport(url))
}

describe.each(servers)('%s', (_name, serve) => {
  test.each([
    ['alone', serverV2],
    ['beside an attached server', attached],
  ])('observed %s is recorded whole, and once', async (_how, make) => {
    const server = await serve(make, { home: lab.home })
    const direct = await listen(nodeSessions(serverV2))
    expect(await converse(await talk(server.url))).toEqual(await converse(await talk(direct.url)))
    const denied = await fetch(server.url, post(call, { authorization: 'wrong' }))
    expect(denied.status).toBe(401)
    await server[Symbol.asyncDispose]()
    await direct[Symbol.asyncDispose]()
    const stories = (await recorded()).map(story).filter(one => one !== 'stream GET cancelled')
    expect(stories.toSorted()).toEqual(
      [...legacyStory('rpc_error -32602', 'shutdown'), 'rejected tools/call echo denied http_401'].toSorted(),
    )
  })
})

describe('in the modern era, beside an attached server', () => {
  const version = '2026-07-28'
  const meta = {
    'io.modelcontextprotocol/protocolVersion': version,
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const headers = { 'mcp-protocol-version': version, 'mcp-method': 'tools/call', 'mcp-name': 'echo' }
  const modernCall = { ...call, params: { ...call.params, _meta: meta } }

  test.each<readonly [what: string, init: RequestInit, status: number, story: string]>([
    ['a call', post(modernCall, headers), 200, 'call tools/call echo ok'],
    [
      'a header that contradicts the body',
      post(modernCall, { ...headers, 'mcp-name': 'other' }),
      400,
      'rejected tools/call echo http_400',
    ],
    [
      'a wrong content type',
      post(modernCall, { ...headers, 'content-type': 'text/plain' }),
      415,
      'rejected tools/call echo http_415',
    ],
    [
      'a bad envelope',
      post({ ...modernCall, jsonrpc: '1.0' }, headers),
      400,
      'rejected tools/call /mcp http_400',
    ],
    [
      'too large a body',
      post(`"${'x'.repeat(5 * 1024 * 1024)}"`, headers),
      413,
      'rejected POST /mcp http_413',
    ],
  ])('%s is one record', async (...[, init, status, expected]) => {
    const handler = createMcpHandler(attached)
    await using server = await listen(
      getRequestListener(observeFetch(request => handler.fetch(request), { home: lab.home })),
    )
    const response = await fetch(server.url, init)
    await response.text()
    expect(response.status).toBe(status)
    const seen = await recorded(1)
    expect(seen.map(story)).toEqual([expected])
  })

  test('a stream of changes is one record when its client leaves, with what it told before', async () => {
    const handler = createMcpHandler(attached)
    await using server = await listen(
      getRequestListener(observeFetch(request => handler.fetch(request), { home: lab.home })),
    )
    const params = { notifications: { toolsListChanged: true }, _meta: meta }
    const message = { jsonrpc: '2.0', id: 'listen-1', method: 'subscriptions/listen', params }
    const leave = new AbortController()
    const response = await fetch(server.url, {
      ...post(message, { ...headers, 'mcp-method': 'subscriptions/listen' }),
      signal: leave.signal,
    })
    const reader = response.body?.getReader()
    await reader?.read()
    leave.abort()
    await server[Symbol.asyncDispose]()
    const stories = (await recorded(2)).map(story)
    expect(stories).toContain('stream subscriptions/listen cancelled closed')
    expect(stories.filter(one => !one.startsWith('notification to client'))).toHaveLength(1)
  })
})

test('a request to another path is none of an edge that was given one', async () => {
  const listener = observeListener((_request, response) => void response.writeHead(401).end(), {
    home: lab.home,
    path: '/mcp',
  })
  await using server = await listen(listener)
  for (const path of ['/login', '/mcpx', '/mcp?a=b'])
    await fetch(new URL(path, server.url), post({ password: 'made up' }))
  const seen = await recorded()
  expect(seen.map(story)).toEqual(['rejected POST /mcp denied http_401'])
})

const metadata = '/.well-known/oauth-protected-resource/mcp'

/** Lets in who has the key, one moment later. */
const doorkeeper: GuardPart = {
  stage: 'authenticate',
  open: () => ({
    door: async ({ header, address }) => {
      await Promise.resolve()
      if (header('x-key') === 'good')
        return {
          principal: { id: 'alice', method: 'api_key', scopes: ['mcp:read'] },
          headers: { RateLimit: '"a";r=1;t=2' },
          notes: [{ name: 'door', decision: 'allow' }],
        }
      return {
        refusal: { code: 'AUTH_FAILED' },
        headers: { 'WWW-Authenticate': 'Key' },
        notes: [{ name: 'door', decision: 'refuse', reason: typeof address }],
      }
    },
    document: path => (path === metadata ? { resource: 'https://mcp.example.com/mcp' } : undefined),
  }),
}

/** A server with a tool that says who calls, as it was told by the SDK. */
function telling(): ReturnType<typeof serverV2> {
  const server = attached()
  server.registerTool('who', {}, ({ http }) => ({
    content: [{ type: 'text', text: JSON.stringify(http?.authInfo ?? null) }],
  }))
  return server
}

async function whoCalls(url: URL, headers: Record<string, string>): Promise<unknown> {
  const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers } })
  const visitor = await talkV2(newClientV2(), transport)
  const answer = JSON.stringify(await visitor.call('who', {}))
  await visitor.close()
  return answer
}

describe('a door', () => {
  test.each(servers)(
    'at %s is asked before the server’s code, and what it knows is known behind it',
    async (_, make) => {
      let made = 0
      const counted = (): ReturnType<typeof serverV2> => {
        made += 1
        return attached()
      }
      await using server = await make(counted, { home: lab.home, guard: doorkeeper })
      const turnedAway = await fetch(server.url, post(call, { 'x-key': 'bad' }))
      expect([turnedAway.status, turnedAway.headers.get('www-authenticate'), made]).toEqual([401, 'Key', 0])
      expect(await turnedAway.json()).toMatchObject({ error: { code: -32_001, message: 'AUTH_FAILED' } })
      const client = newClientV2()
      const requestInit = { headers: { 'x-key': 'good' } }
      const visitor = await talkV2(client, new StreamableHTTPClientTransport(server.url, { requestInit }))
      expect(JSON.stringify(await visitor.call('echo', { text: 'hi' }))).toContain('hi')
      await visitor.close()
      const allowed = await fetch(server.url, post(call, { 'x-key': 'good' }))
      expect(allowed.headers.get('ratelimit')).toBe('"a";r=1;t=2')
      const seen = await recorded(4)
      const about = seen.map(({ observation }) => observation)
      const called = about.find(({ target, outcome }) => target === 'echo' && outcome === 'ok')
      const policy = [{ name: 'door', decision: 'allow' }]
      expect(called).toMatchObject({ principal: { id: 'alice' }, policy })
      const [refused, ...others] = about.filter(one => one.policy?.[0]?.decision === 'refuse')
      expect(others).toEqual([])
      expect(refused).toMatchObject({ kind: 'rejected', outcome: 'denied' })
    },
  )

  test.each(servers)('at %s hands over who was let in, and no credential', async (_, make) => {
    await using server = await make(telling, { home: lab.home, guard: doorkeeper })
    const told = await whoCalls(server.url, { 'x-key': 'good' })
    for (const part of ['alice', 'mcp:read', 'api_key']) expect(told).toContain(part)
    expect(told).not.toContain('good')
  })

  test.each(servers)('at %s shows everybody what clients must know to sign in', async (_, make) => {
    await using server = await make(telling, { home: lab.home, guard: doorkeeper })
    const document = await fetch(new URL(metadata, server.url))
    expect([document.status, document.headers.get('content-type')]).toEqual([200, 'application/json'])
    expect(await document.json()).toEqual({ resource: 'https://mcp.example.com/mcp' })
    const posted = await fetch(new URL(metadata, server.url), post(call))
    expect(posted.status).toBeGreaterThanOrEqual(400)
  })

  test('leaves alone what an application has found out about a caller itself', async () => {
    let told: unknown
    const listener = observeListener(
      (request, response) => {
        told = Reflect.get(request, 'auth')
        response.end()
      },
      { home: lab.home, guard: doorkeeper },
    )
    await using server = await listen((request, response) =>
      listener(Object.assign(request, { auth: 'own' }), response),
    )
    await fetch(server.url, post(call, { 'x-key': 'good' }))
    expect(told).toBe('own')
  })
})
