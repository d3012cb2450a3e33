import { InMemoryTransport as MemoryV1 } from '@modelcontextprotocol/sdk/inMemory.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createMcpHandler, InMemoryTransport as MemoryV2 } from '@modelcontextprotocol/server'
import { StreamableHTTPClientTransport as HttpClientV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { StreamableHTTPServerTransport as HttpServerV1 } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { NodeStreamableHTTPServerTransport as HttpServerV2 } from '@modelcontextprotocol/node'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { hostOf } from '../src/host.ts'
import { attach, tap, type AttachOptions, type Problem } from '../src/index.ts'
import { readSettings } from '../src/main-env.ts'
import {
  converse,
  lines,
  newClientV1,
  newClientV2,
  talkToProgram,
  talkV1,
  talkV2,
  type Line,
  type Talk,
} from './conversation.ts'
import { serverV1, serverV2 } from './servers.ts'
import { openLab, programEnv, story, type Lab, type Seen } from './support.ts'

// Whole programs are started here, also on machines that are busy.
vi.setConfig({ testTimeout: 30_000 })

const program = join(import.meta.dirname, 'servers.ts')
const runner = join(import.meta.dirname, 'wrap-runner.ts')

let lab: Lab
beforeEach(async () => {
  lab = await openLab()
})
afterEach(() => lab[Symbol.asyncDispose]())

/** Ends the recorder of this process for the lab, as the process's end would. */
async function end(): Promise<Seen[]> {
  await hostOf(readSettings({ home: lab.home })).close(2000)
  return await lab.collect()
}

type Observe = <T extends object>(target: T) => T
const unobserved: Observe = target => target
const observed: Observe = target => attach(target, { home: lab.home })

async function inMemory(line: Line, server: Observe, client: Observe): Promise<Talk> {
  if (line === 'v1') {
    const [near, far] = MemoryV1.createLinkedPair()
    await server(serverV1()).connect(far)
    return await talkV1(client(newClientV1()), near)
  }
  const [near, far] = MemoryV2.createLinkedPair()
  await server(serverV2()).connect(far)
  return await talkV2(client(newClientV2()), near)
}

/** What every way of observing must record of `converse`. */
const expected = [
  'heartbeat start',
  'call initialize ok',
  'notification notifications/initialized',
  'call tools/list ok',
  'call tools/call echo ok',
  'call tools/call fail tool_error tool_error',
  'call to client roots/list ok',
  'call tools/call roots ok',
  'notification to client notifications/message',
  'call tools/call log ok',
  'call tools/call echo ok',
  'cancelled tools/call wait cancelled',
  'notification notifications/cancelled',
  'call tools/call echo ok',
  'call tools/call echo ok',
  'unanswered tools/call wait unanswered closed',
  'heartbeat end',
]
const unknownTool: Record<Line, string> = {
  v1: 'call tools/call nothing of that name tool_error tool_error',
  v2: 'call tools/call nothing of that name rpc_error -32602',
}

function expectedOf(line: Line): string[] {
  return expected.toSpliced(6, 0, unknownTool[line])
}

/** Some transports do not tell that the other side has gone; then the end of the process ends what was open. */
function told(seen: readonly Seen[]): string[] {
  return seen.map(one => story(one).replace('unanswered shutdown', 'unanswered closed'))
}

describe.each(lines)('SDK %s: the same conversation gives the same answers and the same events', line => {
  let plain: string[]
  beforeEach(async () => {
    plain = await converse(await inMemory(line, unobserved, unobserved))
  })

  test('at the server', async () => {
    const talk = await inMemory(line, observed, unobserved)
    expect(await converse(talk)).toEqual(plain)
    expect(told(await end())).toEqual(expectedOf(line))
  })

  test('at the client', async () => {
    const talk = await inMemory(line, unobserved, observed)
    expect(await converse(talk)).toEqual(plain)
    expect(told(await end()).toSorted()).toEqual(expectedOf(line).toSorted())
  })

  test.each(['attach', 'tap'])('over stdio with %s', async how => {
    const talk = await talkToProgram(line, [program, line, how], { ...programEnv, MUNIMENT_HOME: lab.home })
    expect(await converse(talk)).toEqual(plain)
    expect(told(await lab.collect())).toEqual(expectedOf(line))
  })

  test('under wrap', async () => {
    const command = [runner, JSON.stringify({ home: lab.home }), process.execPath, program, line]
    expect(await converse(await talkToProgram(line, command, programEnv))).toEqual(plain)
    expect(told(await lab.collect())).toEqual(expectedOf(line))
  })

  test('also where nothing can be written and the listener for problems throws', async () => {
    const home = join(lab.home, 'file')
    await writeFile(home, 'not a folder')
    const problems: Problem[] = []
    const onProblem = (problem: Problem): void => {
      problems.push(problem)
      throw new Error('listener')
    }
    const options = { home, ingestKey: lab.ingestKey, onProblem }
    const talk = await inMemory(line, one => attach(one, options), unobserved)
    expect(await converse(talk)).toEqual(plain)
    await expect.poll(() => problems.map(({ code }) => code)).toContain('DISK_UNUSABLE')
  })

  test('and the record says what was sent, not what the handler made of it', async () => {
    await converse(await inMemory(line, observed, unobserved))
    const call = (await end()).find(({ observation }) => observation.target === 'echo')
    if (call?.request === undefined || call.response === undefined) throw new Error('nothing recorded')
    const [request, response] = [call.request.toString(), call.response.toString()]
    expect(request).toContain('"list":["sent"]')
    expect(request).not.toContain('edited')
    expect(response).toContain('"text":"hello"')
    expect(call.observation).toMatchObject({
      transport: 'in_memory',
      protocol_version: '2025-11-25',
      client: { name: 'visitor', version: '1.0' },
      server: { name: 'sample', version: '2.5' },
      request: { size_bytes: request.length },
      response: { size_bytes: response.length, item_count: 1 },
    })
  })
})

describe('the modern era over HTTP', () => {
  const url = new URL('http://127.0.0.1/mcp')
  const auth = {
    token: 'tok-made-up-1',
    clientId: 'app-7',
    scopes: ['read'],
    extra: { sub: 'user-9', iss: 'https://id.example' },
  }

  /** A client and a server in one process, joined by `fetch`. */
  async function overHttp(server: Observe, client: Observe): Promise<Talk> {
    const handler = createMcpHandler(() => server(serverV2()))
    const fetch = async (input: string | URL, init?: RequestInit): Promise<Response> =>
      await handler.fetch(new Request(input, init), { authInfo: auth })
    const modern = client(newClientV2({ versionNegotiation: { mode: 'auto' } }))
    return await talkV2(modern, new StreamableHTTPClientTransport(url, { fetch }))
  }

  test.each(['server', 'client'])(
    'is observed at the %s, with its probe and who was verified',
    async side => {
      const talk =
        side === 'server' ? await overHttp(observed, unobserved) : await overHttp(unobserved, observed)
      await talk.call('echo', { text: 'hi' })
      await talk.call('fail')
      await talk.close()
      const seen = await end()
      expect(seen.map(story)).toEqual([
        'heartbeat start',
        'call server/discover ok',
        'call tools/call echo ok',
        'call tools/call fail tool_error tool_error',
        'heartbeat end',
      ])
      const call = seen[2]?.observation
      expect(call).toMatchObject({
        transport: 'http',
        protocol_version: '2026-07-28',
        client: { name: 'visitor' },
      })
      if (side === 'client') return
      expect(call?.principal).toEqual({
        id: 'user-9',
        client_id: 'app-7',
        issuer: 'https://id.example',
        scopes: ['read'],
        method: 'oauth',
      })
      expect(JSON.stringify(seen.map(({ observation }) => observation))).not.toContain(auth.token)
    },
  )
})

test('in the modern era a client that hangs up has cancelled', async () => {
  const handler = createMcpHandler(() => observed(serverV2()))
  const hangUp = new AbortController()
  const fetch = async (input: string | URL, init?: RequestInit): Promise<Response> =>
    await handler.fetch(new Request(input, { ...init, signal: hangUp.signal }))
  const client = newClientV2({ versionNegotiation: { mode: 'auto' } })
  const talk = await talkV2(
    client,
    new StreamableHTTPClientTransport(new URL('http://127.0.0.1/mcp'), { fetch }),
  )
  const waiting = talk.call('wait').catch(() => 'gone')
  await new Promise(resolve => setImmediate(resolve))
  hangUp.abort()
  expect(await waiting).toBe('gone')
  await talk.close()
  expect((await end()).map(story)).toContain('cancelled tools/call wait cancelled closed')
})

/** Serves a request listener on loopback until disposed. */
async function listen(listener: RequestListener): Promise<AsyncDisposable & { readonly url: URL }> {
  const http = createServer(listener).listen(0, '127.0.0.1')
  await once(http, 'listening')
  const address = http.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: new URL(`http://127.0.0.1:${port}/mcp`),
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections()
      await new Promise(resolve => http.close(resolve))
    },
  }
}

describe('sessions over HTTP', () => {
  test.each(lines)('of SDK %s are observed like any other connection, with their id', async line => {
    const transport =
      line === 'v1'
        ? new HttpServerV1({ sessionIdGenerator: () => 'session-1' })
        : new HttpServerV2({ sessionIdGenerator: () => 'session-1' })
    await (line === 'v1' ? observed(serverV1()).connect(transport) : observed(serverV2()).connect(transport))
    await using http = await listen((request, response) => void transport.handleRequest(request, response))
    const talk =
      line === 'v1'
        ? await talkV1(newClientV1(), new HttpClientV1(http.url))
        : await talkV2(newClientV2(), new StreamableHTTPClientTransport(http.url))
    await talk.call('echo', { text: 'hi' })
    await talk.call('log')
    await talk.close()
    await transport.close()
    const seen = await end()
    expect(seen.map(story)).toEqual([
      'heartbeat start',
      'call initialize ok',
      'notification notifications/initialized',
      'call tools/call echo ok',
      'notification to client notifications/message',
      'call tools/call log ok',
      'heartbeat end',
    ])
    expect(seen[3]?.observation).toMatchObject({ transport: 'http', session_id: 'session-1' })
  })
})

describe('attaching', () => {
  test.each([
    ['an object', {}],
    ['a function', () => undefined],
    ['something with connect alone', { connect: () => undefined }],
  ])('to %s is refused loudly', (_what, target) => {
    expect(() => attach(target, { home: lab.home })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  })

  test.each([
    ['an object', {}],
    ['a frozen transport', Object.freeze(new MemoryV2())],
  ])('a tap to %s is refused loudly', (_what, target) => {
    expect(() => tap(target, { home: lab.home })).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
  })

  test.each([
    [{ bus: 'carrier-pigeon:' }],
    [{ tenant: 'No Such Name' }],
    [{ ingestKey: 'not a key' }],
    [{ ringMaxBytes: 0 }],
  ] satisfies [AttachOptions][])('with %j is refused as configuration', options => {
    expect(() => tap(new MemoryV2(), { home: lab.home, ...options })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    )
  })

  test('to a server whose SDK takes messages in an unknown way is told, not silent', async () => {
    const problems: Problem[] = []
    const server = { connect: async () => undefined, setRequestHandler: () => undefined }
    attach(server, { home: lab.home, onProblem: one => problems.push(one) })
    await Reflect.apply(server.connect, server, [{ send: () => undefined, start: () => undefined }])
    expect(problems.map(({ message }) => message)).toEqual([expect.stringContaining('goes unobserved')])
  })

  test('to a server that is connected already is refused loudly', async () => {
    const server = serverV1()
    await server.connect(MemoryV1.createLinkedPair()[0])
    expect(() => attach(server, { home: lab.home })).toThrow('connected already')
  })

  test('keeps a handler that was there before, and hears each message once', async () => {
    const [near, far] = MemoryV1.createLinkedPair()
    const heard: unknown[] = []
    Object.assign(far, { onmessage: (message: unknown) => heard.push(message) })
    await attach(serverV1(), { home: lab.home }).connect(far)
    await (await talkV1(newClientV1(), near)).close()
    expect(heard).toHaveLength(2)
    expect((await end()).map(story)).toEqual(expected.slice(0, 3).concat('heartbeat end'))
  })

  test('twice, or to a transport that is tapped too, records once', async () => {
    const [near, far] = MemoryV1.createLinkedPair()
    const options = { home: lab.home }
    await attach(attach(serverV1(), options), options).connect(tap(tap(far, options), options))
    await (await talkV1(newClientV1(), near)).close()
    expect((await end()).map(story)).toEqual(expected.slice(0, 3).concat('heartbeat end'))
  })

  test('to several servers of a process gives one lane with a channel for each connection', async () => {
    const options = { home: lab.home }
    for (const line of lines) {
      const talk = await inMemory(
        line,
        one => attach(one, { ...options, serverName: `my-${line}` }),
        unobserved,
      )
      await talk.close()
    }
    const seen = (await end()).filter(({ observation }) => observation.kind === 'call')
    expect(seen.map(({ observation }) => observation.server?.name)).toEqual(['my-v1', 'my-v2'])
    expect(new Set(seen.map(({ lane }) => lane)).size).toBe(1)
    expect(new Set(seen.map(({ observation }) => observation.channel_id)).size).toBe(2)
  })
})
