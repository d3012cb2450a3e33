import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startProxy, type Proxy, type ProxyOptions } from '../src/proxy.ts'
import { converse, lines, newClientV1, talkV1, type Talk } from './conversation.ts'
import { client, modern, modernServer, overSse, sessions, sse, type Serve } from './http-servers.ts'
import { call, dial, listen, ping, post, talkRaw, type Listening } from './http-lab.ts'
import { legacyStory } from './stories.ts'
import { openLab, story, type Lab, type Seen } from './support.ts'

const nothing: () => void = () => undefined

let lab: Lab
let upstream: Listening
let proxy: Proxy
/** What the upstream does with a request; each test says. */
let serve: Serve = nothing

async function front(options: Partial<ProxyOptions> = {}): Promise<URL> {
  proxy = await startProxy({ home: lab.home, routes: [{ upstream: upstream.url }], ...options })
  return new URL('/mcp', proxy.url)
}

function portOf(url: URL): number {
  return Number(url.port)
}

/** What was recorded, without the lane's own marks. */
async function recorded(): Promise<Seen[]> {
  await proxy.close(2000)
  return (await lab.collect()).filter(({ observation }) => observation.kind !== 'heartbeat')
}

function reply(response: ServerResponse, status: number, body = ''): void {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(body)
}

beforeEach(async () => {
  lab = await openLab()
  upstream = await listen((request, response) => void serve(request, response))
})
afterEach(async () => {
  await proxy.close(0)
  await upstream[Symbol.asyncDispose]()
  await lab[Symbol.asyncDispose]()
})

/** What can be said in the modern era, with a client that hangs up in between. */
async function speak(talk: Talk): Promise<unknown[]> {
  const said = [await talk.list(), await talk.call('echo', { text: 'hi' }), await talk.call('fail')]
  const gone = new AbortController()
  const waiting = talk.call('wait', {}, gone.signal).catch(() => 'gone')
  await talk.call('echo', { text: 'meanwhile' })
  gone.abort()
  said.push(await waiting)
  await talk.close()
  return said
}

function rpcError(id: unknown, code: number): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: 'no' } })
}

/** Takes one connection, answers it with bytes as they are, and tells what it was sent. */
async function rawUpstream(
  answer: string,
): Promise<{ port: number; heard: Promise<string> } & AsyncDisposable> {
  const { createServer } = await import('node:net')
  const heard = Promise.withResolvers<string>()
  const server = createServer(socket => {
    let seen = ''
    socket.setEncoding('latin1')
    socket.on('data', chunk => {
      seen += String(chunk)
      if (!seen.includes('END')) return
      heard.resolve(seen)
      socket.end(answer, 'latin1')
    })
    socket.on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    port,
    heard: heard.promise,
    [Symbol.asyncDispose]: async () => {
      await new Promise(resolve => server.close(resolve))
    },
  }
}

describe('a conversation', () => {
  test.each(lines)(
    'with sessions is the same as direct for an SDK %s client, and recorded whole',
    async line => {
      serve = sessions()
      const url = await front()
      expect(await converse(await client(line, url))).toEqual(
        await converse(await client(line, upstream.url)),
      )
      const seen = await recorded()
      const stories = seen.map(story)
      // Streams that travel side by side have no common order.
      expect(stories.filter(one => one !== 'stream GET cancelled').toSorted()).toEqual(
        legacyStory('rpc_error -32602'),
      )
      expect(new Set(seen.map(({ observation }) => observation.channel_id)).size).toBe(1)
      expect(seen[3]?.observation).toMatchObject({
        transport: 'http',
        protocol_version: '2025-11-25',
        client: { name: 'visitor' },
        server: { name: 'sample' },
      })
    },
  )

  test('over HTTP with SSE is the same as direct, and recorded whole', async () => {
    serve = sse()
    const url = await front()
    expect(await converse(await talkV1(newClientV1(), overSse(url)))).toEqual(
      await converse(await talkV1(newClientV1(), overSse(upstream.url))),
    )
    const seen = await recorded()
    const stories = seen.map(story).filter(one => one !== 'stream GET cancelled')
    expect(stories.toSorted()).toEqual(legacyStory('tool_error tool_error'))
    expect(seen[3]?.observation).toMatchObject({ transport: 'sse', client: { name: 'visitor' } })
  })

  test('in the modern era is the same as direct, each request a channel of its own', async () => {
    serve = modernServer()
    const url = await front()
    expect(await speak(await modern(url))).toEqual(await speak(await modern(upstream.url)))
    const seen = await recorded()
    expect(seen.map(story).toSorted()).toEqual([
      'call server/discover ok',
      'call tools/call echo ok',
      'call tools/call echo ok',
      'call tools/call fail tool_error tool_error',
      'call tools/list ok',
      'cancelled tools/call wait cancelled closed',
    ])
    expect(seen[1]?.observation).toMatchObject({
      protocol_version: '2026-07-28',
      client: { name: 'visitor' },
    })
  })
})

describe('what never reaches a server', () => {
  test.each<[string, number, string, string]>([
    ['no token', 401, '', 'rejected tools/call echo denied http_401'],
    ['a missing scope', 403, '{"error":"insufficient_scope"}', 'rejected tools/call echo denied http_403'],
    ['an unknown session', 404, rpcError(null, -32_001), 'rejected tools/call echo http_404'],
    ['a wrong content type', 415, rpcError(null, -32_000), 'rejected tools/call echo http_415'],
    ['too large a body', 413, 'too large', 'rejected tools/call echo http_413'],
    ['headers that contradict the body', 400, rpcError(1, -32_020), 'rejected tools/call echo http_400'],
    ['too many requests', 429, '', 'rejected tools/call echo denied http_429'],
    ['an unknown method', 404, rpcError(1, -32_601), 'call tools/call echo rpc_error -32601'],
    ['invalid arguments', 400, rpcError(1, -32_602), 'call tools/call echo rpc_error -32602'],
  ])('for %s is one record', async (...[, status, body, expected]) => {
    serve = async (request, response) => {
      await text(request)
      reply(response, status, body)
    }
    const url = await front()
    const response = await fetch(url, post(call))
    expect([response.status, await response.text()]).toEqual([status, body])
    const seen = await recorded()
    expect(seen.map(story)).toEqual([expected])
    expect(seen[0]?.request?.toString()).toBe(JSON.stringify(call))
    expect(seen[0]?.response?.toString() ?? '').toBe(body)
  })

  test.each<[string, RequestInit, number, string]>([
    ['a bad envelope', post('{"jsonrpc":"1.0"}'), 400, 'rejected POST /mcp http_400'],
    ['no JSON', post('hello'), 400, 'rejected POST /mcp http_400'],
    [
      'a denied notification',
      post({ jsonrpc: '2.0', method: 'notifications/initialized' }),
      401,
      'rejected notifications/initialized /mcp denied http_401',
    ],
    [
      'a stream that is not offered',
      { headers: { accept: 'text/event-stream' } },
      405,
      'rejected GET /mcp http_405',
    ],
    ['a session that cannot be ended', { method: 'DELETE' }, 405, 'rejected DELETE /mcp http_405'],
  ])('%s is one record', async (...[, init, status, expected]) => {
    serve = async (request, response) => {
      await text(request)
      reply(response, status)
    }
    await (await fetch(await front(), init)).text()
    expect((await recorded()).map(story)).toEqual([expected])
  })

  test('is not what browsers and probes ask for beside it', async () => {
    serve = (_request, response) => reply(response, 404)
    const url = await front()
    for (const path of ['/favicon.ico', '/.well-known/openid-configuration'])
      await (await fetch(new URL(path, url))).text()
    expect(await recorded()).toEqual([])
  })

  test('a batch that is denied ends each of its requests once', async () => {
    serve = async (request, response) => {
      await text(request)
      reply(response, 401)
    }
    const batch = [call, { ...call, id: 'two' }, { jsonrpc: '2.0', method: 'notifications/cancelled' }]
    await (await fetch(await front(), post(batch))).text()
    const seen = await recorded()
    expect(seen.map(story)).toEqual(Array(2).fill('rejected tools/call echo denied http_401'))
    expect(seen.map(({ observation }) => observation.rpc_id)).toEqual([1, 'two'])
  })
})

describe('bytes', () => {
  test('of headers, bodies and trailers pass unchanged, what belongs to a connection does not', async () => {
    await using raw = await rawUpstream(
      [
        'HTTP/1.1 200 All Fine',
        'CONTENT-type: application/octet-stream',
        'x-Odd: one',
        'X-Odd: two',
        'Mcp-Session-Id: s-\u00e9',
        'Trailer: x-sum',
        'Connection: keep-alive, x-hop',
        'X-Hop: upstream',
        'Transfer-Encoding: chunked',
        '',
        '5\r\nhello\r\n3\r\n\u0000\u00ff!\r\n0\r\nx-Sum: 42\r\n\r\n',
      ].join('\r\n'),
    )
    const url = await front({ routes: [{ upstream: new URL(`http://127.0.0.1:${raw.port}/mcp`) }] })
    const answer = await talkRaw(
      portOf(url),
      [
        'POST /mcp?a=%2F&b= HTTP/1.1',
        `Host: 127.0.0.1:${url.port}`,
        'x-oDD: 1',
        'x-oDD: 2',
        'Mcp-Param-Name: =?base64?w6k=?=',
        'TE: trailers',
        'Connection: close, X-Mine',
        'X-Mine: client',
        'Proxy-Authorization: Basic made-up',
        'Transfer-Encoding: chunked',
        'Trailer: X-Check',
        '',
        '4\r\nBODY\r\n3\r\nEND\r\n0\r\nX-Check: yes\r\n\r\n',
      ].join('\r\n'),
    )
    const heard = await raw.heard
    expect(heard).toContain('POST /mcp?a=%2F&b= HTTP/1.1\r\n')
    expect(heard).toContain(`Host: 127.0.0.1:${raw.port}\r\n`)
    expect(heard).toContain('x-oDD: 1\r\nx-oDD: 2\r\nMcp-Param-Name: =?base64?w6k=?=\r\n')
    expect(heard).toContain('TE: trailers')
    expect(heard).toMatch(/4\r\nBODY\r\n[^]*END/u)
    expect(heard).not.toMatch(/X-Mine: client|Proxy-Authorization|x-hop/iu)
    expect(answer).toContain('HTTP/1.1 200 All Fine\r\n')
    expect(answer).toContain('CONTENT-type: application/octet-stream\r\nx-Odd: one\r\nX-Odd: two\r\n')
    expect(answer).toContain('Mcp-Session-Id: s-\u00e9\r\n')
    expect(answer).toContain('\u0000\u00ff!')
    expect(answer).toMatch(/x-Sum: 42\r\n/u)
    expect(answer).not.toContain('X-Hop: upstream')
  })

  test.each([
    ['compressed', 'gzip'],
    ['as they are', 'identity'],
  ])('of an answer that is sent %s are recorded as what they mean', async (_how, encoding) => {
    const { gzipSync } = await import('node:zlib')
    const body = '{"result":{ "n":1.0},\n"id":1,"jsonrpc":"2.0"}'
    serve = (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Encoding': encoding })
      response.end(encoding === 'gzip' ? gzipSync(body) : body)
    }
    const response = await fetch(await front(), post(ping))
    expect(await response.text()).toBe(body)
    const seen = await recorded()
    expect(seen.map(story)).toEqual(['call ping ok'])
    expect(seen[0]?.response?.toString()).toBe(body)
  })

  test('of a 2 MiB event pass piece by piece, and the event is recorded whole', async () => {
    const message = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { text: 'x'.repeat(2 * 1024 * 1024) } })
    let more = nothing
    serve = async (request, response) => {
      await text(request)
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write(`event: message\ndata: ${message.slice(0, 1000)}`)
      more = () => response.end(`${message.slice(1000)}\n\n`)
    }
    const response = await fetch(await front(), post(ping))
    const parts: Uint8Array[] = []
    for await (const part of response.body ?? []) {
      parts.push(part)
      // The upstream goes on only after its first bytes have arrived.
      if (parts.length === 1) more()
    }
    expect(Buffer.concat(parts).toString()).toBe(`event: message\ndata: ${message}\n\n`)
    const seen = await recorded()
    expect(seen.map(story)).toEqual(['call ping ok'])
    expect(seen[0]?.response?.equals(Buffer.from(message))).toBe(true)
  })
})

describe('an end', () => {
  test('of the client reaches the upstream while it works', async () => {
    const gone = Promise.withResolvers<void>()
    const arrived = Promise.withResolvers<void>()
    serve = (request, response) => {
      response.on('close', () => gone.resolve())
      void text(request).then(() => arrived.resolve())
    }
    const abort = new AbortController()
    const waiting = fetch(await front(), { ...post(call), signal: abort.signal }).catch(() => 'aborted')
    await arrived.promise
    abort.abort()
    expect(await waiting).toBe('aborted')
    await gone.promise
    expect((await recorded()).map(story)).toEqual(['unanswered tools/call echo unanswered client_gone'])
  })

  test('of the upstream in the middle of an answer reaches the client', async () => {
    serve = async (request, response) => {
      await text(request)
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write(': hello\n\n', () => response.destroy())
    }
    const response = await fetch(await front(), post(call))
    await expect(response.text()).rejects.toThrow()
    expect((await recorded()).map(story)).toEqual(['unanswered tools/call echo unanswered server_gone'])
  })

  test.each<[string, Partial<ProxyOptions>, number]>([
    ['that is not there', { routes: [{ upstream: new URL('http://127.0.0.1:1/mcp') }] }, 502],
    ['that does not answer', { limits: { answerTimeoutMs: 50 } }, 504],
  ])('of an upstream %s is told', async (_which, options, status) => {
    serve = () => undefined
    const response = await fetch(await front(options), post(call))
    expect([response.status, await response.json()]).toMatchObject([status, { error: { code: -32_603 } }])
    expect((await recorded()).map(story)).toEqual([`rejected tools/call echo http_${status}`])
  })

  test('of the proxy lets what is under way come to its own', async () => {
    let answer = nothing
    const arrived = Promise.withResolvers<void>()
    serve = async (request, response) => {
      await text(request)
      answer = () => reply(response, 200, JSON.stringify({ jsonrpc: '2.0', id: 1, result: {} }))
      arrived.resolve()
    }
    const url = await front()
    const waiting = fetch(url, post(ping))
    await arrived.promise
    const closed = proxy.close(10_000)
    await expect(dial(portOf(url))).rejects.toThrow()
    answer()
    expect((await waiting).status).toBe(200)
    await closed
    expect((await recorded()).map(story)).toEqual(['call ping ok'])
  })
})

/** What a path of the proxy answers, or with which status it refuses. */
async function at(path: string): Promise<unknown> {
  const response = await fetch(new URL(path, proxy.url), post(ping, { 'mcp-session-id': 'the-same' }))
  return response.status === 200 ? await response.json() : response.status
}

test('several upstreams share a proxy by path, and a session of one is none of the other', async () => {
  serve = async (request, response) => {
    const id = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { at: request.url ?? '' } })
    response.setHeader('Mcp-Session-Id', 'the-same')
    await text(request)
    reply(response, 200, id)
  }
  await front({
    routes: [
      { path: '/files', upstream: upstream.url, serverName: 'files' },
      { path: '/files/deep', upstream: new URL('/', upstream.url), serverName: 'deep' },
    ],
  })
  expect(await at('/files')).toMatchObject({ result: { at: '/mcp' } })
  expect(await at('/files/a?b=c')).toMatchObject({ result: { at: '/mcp/a?b=c' } })
  expect(await at('/files/deep/x')).toMatchObject({ result: { at: '/x' } })
  expect(await at('/filesystem')).toBe(404)
  expect(await at('/')).toBe(404)
  const seen = (await recorded()).filter(({ observation }) => observation.kind === 'call')
  expect(seen.map(({ observation }) => observation.server?.name)).toEqual(['files', 'files', 'deep'])
  expect(new Set(seen.map(({ observation }) => observation.channel_id)).size).toBe(2)
})
