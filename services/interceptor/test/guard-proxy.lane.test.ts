import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { gzipSync } from 'node:zlib'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Guard, GuardPart, Stage } from '../src/guard/index.ts'
import { isMembers, type Members } from '../src/json.ts'
import { startProxy, type Proxy, type ProxyOptions } from '../src/proxy.ts'
import { createEventGate } from '../src/proxy/event-gate.ts'
import { converse, lines, talkV1, newClientV1, type Talk } from './conversation.ts'
import { call, dial, listen, ping, post, type Listening } from './http-lab.ts'
import { client, modern, modernServer, overSse, sessions, sse, type Serve } from './http-servers.ts'
import { legacyStory } from './stories.ts'
import { openLab, story, type Lab, type Seen } from './support.ts'

let lab: Lab
let upstream: Listening
let proxy: Proxy | undefined
let serve: Serve = () => undefined
/** What reached the upstream. */
let bodies: string[] = []
let headers: IncomingHttpHeaders[] = []

function part(guard: Guard, stage: Stage = 'authorise'): GuardPart {
  return { stage, open: () => guard }
}

async function front(guard: Guard, options: Partial<ProxyOptions> = {}): Promise<URL> {
  proxy = await startProxy({
    home: lab.home,
    onProblem: () => undefined,
    routes: [{ upstream: upstream.url }],
    guard: part(guard),
    ...options,
  })
  return new URL('/mcp', proxy.url)
}

async function recorded(): Promise<Seen[]> {
  await proxy?.close(2000)
  return (await lab.collect()).filter(({ observation }) => observation.kind !== 'heartbeat')
}

/** An upstream that answers each request in its own way, and remembers it. */
function answering(
  answer: string,
  fields: Record<string, string> = { 'Content-Type': 'application/json' },
): Serve {
  return async (request, response) => {
    headers.push(request.headers)
    bodies.push(await text(request))
    response.writeHead(200, fields)
    response.end(answer)
  }
}

const result = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  result: { content: [{ type: 'text', text: 'It is Alice.' }] },
})

function replaced(message: Members, from: string, to: string): Members {
  const changed: unknown = JSON.parse(JSON.stringify(message).replaceAll(from, to))
  return isMembers(changed) ? changed : message
}

const later = <T>(value: T): Promise<T> => new Promise(resolve => setTimeout(() => resolve(value), 5))
const masking: Guard = {
  request: (_, message) => ({
    message: replaced(message, '<name>', 'Alice'),
    notes: [{ name: 'mask', decision: 'restore' }],
  }),
  response: (_, message) =>
    later({ message: replaced(message, 'Alice', '<name>'), notes: [{ name: 'mask', decision: 'mask' }] }),
}
const refusing: Guard = {
  request: ({ method }) =>
    method === 'tools/call'
      ? {
          refusal: { code: 'ACCESS_DENIED', hint: 'Ask.' },
          notes: [{ name: 'test', decision: 'refuse', reason: 'why' }],
        }
      : undefined,
}
/** Reads everything and has nothing to say, one moment later. */
const permissive: Guard = {
  door: () => later(undefined),
  request: () => later(undefined),
  response: () => later(undefined),
  other: () => later(undefined),
}

beforeEach(async () => {
  lab = await openLab()
  upstream = await listen((request, response) => void serve(request, response))
  bodies = []
  headers = []
})
afterEach(async () => {
  await proxy?.close(0)
  await upstream[Symbol.asyncDispose]()
  await lab[Symbol.asyncDispose]()
})

async function sayModern(talk: Talk): Promise<unknown[]> {
  const said = [await talk.list(), await talk.call('echo', { text: 'hi' }), await talk.call('fail')]
  await talk.close()
  return said
}

describe('a conversation through a guard that reads everything and minds nothing', () => {
  test.each(lines)('over HTTP is the same with a client of %s as direct, and recorded once', async line => {
    serve = sessions()
    const direct = await converse(await client(line, upstream.url))
    const guarded = await converse(await client(line, await front(permissive)))
    expect(guarded).toEqual(direct)
    const stories = (await recorded()).map(story)
    expect(stories.filter(one => one.includes('tools/call'))).toEqual(
      expect.arrayContaining(['call tools/call log ok', 'call tools/call roots ok']),
    )
    expect(stories.filter(one => one === 'call tools/call echo ok')).toHaveLength(4)
  })

  test('over HTTP with SSE is the same as direct', async () => {
    serve = sse()
    const direct = await converse(await talkV1(newClientV1(), overSse(upstream.url)))
    const guarded = await converse(await talkV1(newClientV1(), overSse(await front(permissive))))
    expect(guarded).toEqual(direct)
    expect((await recorded()).map(story).toSorted()).toEqual(
      legacyStory('tool_error tool_error', 'closed').map(one =>
        expect.stringContaining(one.split(' ')[0] ?? ''),
      ),
    )
  })

  test('in the modern era is the same as direct', async () => {
    serve = modernServer()
    const direct = await sayModern(await modern(upstream.url))
    expect(await sayModern(await modern(await front(permissive)))).toEqual(direct)
  })
})

describe('a request that is refused', () => {
  test.each([
    ['ACCESS_DENIED', 403, -32_003],
    ['RATE_LIMITED', 429, -32_005],
    ['INVALID_INPUT', 400, -32_602],
    ['SERVICE_ERROR', 500, -32_603],
  ] as const)(
    'with %s is answered by the proxy with %i and %i, and never reaches the server',
    async (code, status, rpc) => {
      serve = answering(result)
      const refusal = { code, retryAfterMs: 1500 }
      const url = await front({
        request: () => ({ refusal, notes: [{ name: 'test', decision: 'refuse', reason: 'why' }] }),
      })
      const answer = await fetch(url, post(call))
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([status, '2'])
      expect(await answer.json()).toEqual({
        jsonrpc: '2.0',
        id: 1,
        error: { code: rpc, message: code, data: { retryAfterSeconds: 2 } },
      })
      expect(bodies).toEqual([])
      const seen = await recorded()
      expect(seen.map(({ observation }) => observation)).toMatchObject([
        {
          kind: 'call',
          outcome: 'denied',
          target: 'echo',
          error: { code: rpc, type: code },
          policy: [{ name: 'test', decision: 'refuse', reason: 'why' }],
        },
      ])
      expect(seen[0]?.request?.toString()).toBe(JSON.stringify(call))
    },
  )

  test('takes the whole batch with it, each message one event', async () => {
    serve = answering(result)
    const url = await front(refusing)
    const answer = await fetch(
      url,
      post([ping, { ...call, id: 2 }, { jsonrpc: '2.0', method: 'notifications/x' }]),
    )
    expect(answer.status).toBe(403)
    expect(await answer.json()).toMatchObject([
      { id: 1, error: { message: 'INVALID_INPUT' } },
      { id: 2, error: { message: 'ACCESS_DENIED' } },
    ])
    expect(bodies).toEqual([])
    expect((await recorded()).map(({ observation }) => observation.outcome)).toEqual([
      'denied',
      'denied',
      'denied',
    ])
  })

  test('at the door is told why in header fields only, and its body is judged by nobody', async () => {
    serve = answering(result)
    const url = await front({
      door: ({ address, header }) => ({
        refusal: { code: 'AUTH_FAILED' },
        headers: { 'WWW-Authenticate': 'Bearer realm="x"' },
        notes: [{ name: 'door', decision: 'refuse', reason: `${address} ${header('x-a')}` }],
      }),
      request: () => JSON.parse('{'),
    })
    const answer = await fetch(url, post(call, { 'x-a': 'b' }))
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="x"'])
    expect(await answer.json()).toMatchObject({ id: null, error: { code: -32_001, message: 'AUTH_FAILED' } })
    expect((await recorded()).map(({ observation }) => observation)).toMatchObject([
      { kind: 'rejected', outcome: 'denied', policy: [{ name: 'door', reason: '127.0.0.1 b' }] },
    ])
  })

  test('by a part that fails at the door gets no further', async () => {
    serve = answering(result)
    const answer = await fetch(await front({ door: () => JSON.parse('{') }), post(call))
    expect([answer.status, bodies]).toEqual([500, []])
  })
})

test('who was verified at the door is in the event, with the fields of the door in the answer', async () => {
  serve = answering(result)
  const asked: unknown[] = []
  const url = await front({
    door: () => ({
      principal: { id: 'alice', method: 'api_key' },
      headers: { RateLimit: '"a";r=1;t=2' },
      notes: [{ name: 'door', decision: 'allow' }],
    }),
    request: ({ principal, header, address }) => void asked.push([principal?.id, header?.('x-a'), address]),
  })
  const answer = await fetch(url, post(call, { 'x-a': 'b' }))
  expect(answer.headers.get('ratelimit')).toBe('"a";r=1;t=2')
  expect(asked).toEqual([['alice', 'b', '127.0.0.1']])
  expect((await recorded()).map(({ observation }) => observation)).toMatchObject([
    { outcome: 'ok', principal: { id: 'alice' }, policy: [{ name: 'door', decision: 'allow' }] },
  ])
})

describe('bodies', () => {
  test('pass as the bytes that they are where nothing is changed', async () => {
    serve = answering(result)
    const odd = '{ "jsonrpc":"2.0","id":1,"method":"ping","params":{"n":1.0e2}}'
    const answer = await fetch(await front({ request: () => undefined }), post(odd))
    expect([bodies[0], await answer.text()]).toEqual([odd, result])
  })

  test.each([
    ['a text', { 'Content-Type': 'application/json' }, result],
    ['a batch', { 'Content-Type': 'application/json' }, `[${result}]`],
    ['a stream', { 'Content-Type': 'text/event-stream' }, `id: 7\nevent: message\ndata: ${result}\n\n`],
  ])(
    'are changed both ways, an answer that is %s, and the event has what was sent',
    async (_, fields, body) => {
      serve = answering(body, fields)
      const asking = JSON.stringify(call).replace('hi', '<name>')
      const answer = await (await fetch(await front(masking), post(asking))).text()
      expect(bodies[0]).toContain('Alice')
      expect(answer).toContain('It is <name>.')
      expect(answer).not.toContain('Alice')
      expect(answer.startsWith('id: 7')).toBe(body.startsWith('id: 7'))
      const [seen, ...others] = await recorded()
      expect(others).toEqual([])
      expect(seen?.observation).toMatchObject({
        outcome: 'ok',
        policy: [
          { name: 'mask', decision: 'restore' },
          { name: 'mask', decision: 'mask' },
        ],
      })
      expect(seen?.request?.toString()).toBe(asking)
      expect(seen?.response?.toString()).toContain('It is Alice.')
    },
  )

  test.each<[string, number, RequestInit]>([
    ['two readings', 400, post('{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}')],
    ['a method in capitals', 400, post('{"jsonrpc":"2.0","id":1,"METHOD":"tools/call"}')],
    ['no JSON', 400, post('hello')],
    ['no messages', 400, post('[]')],
    ['an array in an array', 400, post('[[{}]]')],
    [
      'a compressed text',
      415,
      { ...post(ping, { 'content-encoding': 'gzip' }), body: gzipSync(JSON.stringify(ping)) },
    ],
    ['another character set', 415, post(ping, { 'content-type': 'application/json; charset=utf-7' })],
    ['another method', 405, { ...post(ping), method: 'PUT' }],
    ['a body where none belongs', 400, { ...post(ping), method: 'DELETE' }],
  ])('with %s are refused with %i and reach no server', async (_, status, init) => {
    serve = answering(result)
    const answer = await fetch(await front(refusing), init)
    expect([answer.status, bodies]).toEqual([status, []])
    expect((await recorded()).map(({ observation }) => observation.kind)).toEqual(['rejected'])
  })

  test('that are too large are refused, without a length too', async () => {
    serve = answering(result)
    const url = await front(refusing, { limits: { maxBodyBytes: 1000 } })
    const long = new ReadableStream({
      start: controller => {
        for (let at = 0; at < 4; at++) controller.enqueue(Buffer.alloc(500, 32))
        controller.close()
      },
    })
    const init: RequestInit & { duplex: 'half' } = { ...post(ping), body: long, duplex: 'half' }
    const answer = await fetch(url, init)
    expect([answer.status, bodies]).toEqual([413, []])
  })

  test('of answers are asked for uncompressed, and one that is compressed all the same does not pass', async () => {
    serve = answering(gzipSync(result).toString('latin1'), {
      'Content-Type': 'application/json',
      'Content-Encoding': 'gzip',
    })
    const answer = await fetch(await front(masking), post(call))
    expect([answer.status, headers[0]?.['accept-encoding']]).toEqual([502, 'identity'])
    expect(await answer.text()).not.toContain('Alice')
  })

  test.each([
    ['of no known kind', { 'Content-Type': 'text/plain' }],
    ['that is no JSON', { 'Content-Type': 'application/json' }],
  ])('of an answer %s do not pass a guard that has to read them', async (_, fields) => {
    serve = answering('Alice', fields)
    const answer = await fetch(await front(masking), post(call))
    expect([answer.status, (await answer.text()).includes('Alice')]).toEqual([502, false])
  })

  test('that are empty pass without a type, as at the end of a session; others do not', async () => {
    serve = (_, response) => {
      response.writeHead(200, { 'X-Own': 'kept' })
      response.write(bodies.length === 0 ? '' : 'Alice')
      response.end()
    }
    const url = await front(masking)
    const ended = await fetch(url, { method: 'DELETE' })
    expect([ended.status, await ended.text(), ended.headers.get('x-own')]).toEqual([200, '', 'kept'])
    bodies.push('once more')
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(502)
  })

  test('of an event without data pass, so that clients know where to go on', async () => {
    const priming = 'id: 7\nretry: 5000\ndata: \n\n'
    serve = answering(`${priming}data: ${result}\n\n`, { 'Content-Type': 'text/event-stream' })
    const answer = await (await fetch(await front(masking), post(call))).text()
    expect(answer.startsWith(priming)).toBe(true)
    expect(answer).toContain('It is <name>.')
  })

  test('of an error page do not pass, its status does', async () => {
    serve = (_, response) => {
      response.writeHead(503, { 'Content-Type': 'text/html', 'Retry-After': '7' })
      response.end('<pre>Error: Alice at /srv/app.js:1</pre>')
    }
    const answer = await fetch(await front(masking), post(call))
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '7'])
    expect(await answer.text()).not.toContain('Alice')
  })
})

test('a client that left while its request was judged never reaches the server', async () => {
  serve = answering(result)
  const asked = Promise.withResolvers<void>()
  const verdict = Promise.withResolvers<undefined>()
  const url = await front({
    request: () => {
      asked.resolve()
      return verdict.promise
    },
  })
  const socket = await dial(Number(url.port))
  const body = JSON.stringify(call)
  socket.write(`POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  await asked.promise
  socket.destroy()
  await once(socket, 'close')
  await fetch(new URL('/livez', url))
  verdict.resolve(undefined)
  expect((await recorded()).map(({ observation }) => observation.kind)).toEqual(['unanswered'])
  expect(bodies).toEqual([])
})

test('events of a stream pass one by one, whole however they come, and the open end of one does not', async () => {
  const seen: string[] = []
  const stream = '\uFEFFdata: a\r\n\r\n: still here\n\nevent: x\rdata: b\rdata:c\r\rdata: lost\n'
  const gate = createEventGate(100, event => {
    seen.push(`${event.type}|${event.data ?? '-'}`)
    expect(Buffer.from(event.withData('new')).toString()).toContain('data: new\n\n')
  })
  for (const byte of Buffer.from(stream)) await gate.push(Buffer.from([byte]))
  expect(seen).toEqual(['message|a', 'message|-', 'x|b\nc'])
  expect(Buffer.from(await gate.end()).toString()).toContain('lost')
  expect(() => gate.push(Buffer.alloc(101, 65))).toThrow('too long')
})
