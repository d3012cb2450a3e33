import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import { json } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  enforceDecisions,
  maskBeforeModel,
  sessions as ownSessions,
  type GuardPart,
} from '../src/guard/index.ts'
import { hostOf } from '../src/host.ts'
import { member, textMember, isMembers, type Members } from '../src/json.ts'
import { readSettings } from '../src/main-env.ts'
import { startProxy, type Proxy } from '../src/proxy.ts'
import { lines, talkV1, talkV2, type Line, type Talk } from './conversation.ts'
import { listen, post, type Listening } from './http-lab.ts'
import { sessions, type Serve } from './http-servers.ts'
import { openLab, type Lab } from './support.ts'

// Clients of 2025 behind the proxy are asked in the answer to the very request that waits.

type Reply = { action: 'accept'; content: { approve: boolean } } | { action: 'decline' | 'cancel' }
type Person = () => Reply | Promise<Reply>

const yes: Reply = { action: 'accept', content: { approve: true } }
const info = { name: 'visitor', version: '1.0' }
const able = { capabilities: { elicitation: {} } }
const version = '2025-11-25'

/** Whoever says who it is; what this proves is another part's business. */
const believing: GuardPart = {
  stage: 'authenticate',
  open: () => ({
    door: ({ header }) => ({ principal: { id: header('x-who') ?? 'alice', method: 'test' }, notes: [] }),
  }),
}

let lab: Lab
let upstream: Listening | undefined
let proxy: Proxy
beforeEach(async () => {
  lab = await openLab()
  const reason = 'Mallory was seen'
  await lab.decide({ scope: 'tool', value: 'echo', action: 'require_approval', reason, lifeMs: 600_000 })
})
afterEach(async () => {
  await proxy.close(0)
  await upstream?.[Symbol.asyncDispose]()
  await hostOf(readSettings({ home: lab.home })).close(2000)
  await lab[Symbol.asyncDispose]()
})

async function start(
  guard: readonly GuardPart[] = [enforceDecisions()],
  serve: Serve = sessions(),
): Promise<void> {
  upstream = await listen(serve)
  const routes = [{ upstream: upstream.url }]
  proxy = await startProxy({
    home: lab.home,
    onProblem: () => undefined,
    routes,
    guard: [believing, ...guard],
  })
}

async function client(line: Line, person?: Person): Promise<Talk> {
  const url = new URL('/mcp', proxy.url)
  if (line === 'v1') {
    const made = new ClientV1(info, person && able)
    if (person) made.setRequestHandler(ElicitRequestSchema, () => person())
    return await talkV1(made, new HttpV1(url))
  }
  const made = new ClientV2(info, person && able)
  if (person) made.setRequestHandler('elicitation/create', () => person())
  return await talkV2(made, new HttpV2(url))
}

async function echo(talk: Talk): Promise<string> {
  try {
    return JSON.stringify(await talk.call('echo', { text: 'hello' }))
  } catch (error) {
    return `${error instanceof Error ? error.message : ''} ${JSON.stringify(member(error, 'data') ?? '')}`
  }
}

/** What was recorded of calls: how each ended, and what was decided. */
async function recorded(): Promise<readonly (readonly unknown[])[]> {
  await proxy.close(2000)
  await hostOf(readSettings({ home: lab.home })).close(2000)
  return (await lab.collect())
    .filter(({ observation: { target } }) => target === 'echo')
    .map(({ observation: { outcome: how, policy } }) => [how, policy?.map(({ decision }) => decision)])
}

describe.each(lines)('a call of SDK %s through the proxy that needs approval', line => {
  test.each<[string, GuardPart[]]>([
    ['answers are not read', []],
    ['answers are read', [maskBeforeModel()]],
    ['sessions are our own', [ownSessions()]],
  ])('runs once the person approves it, and is recorded once, where %s', async (_, more) => {
    await start([enforceDecisions(), ...more])
    let asked = 0
    const talk = await client(line, () => {
      asked += 1
      return yes
    })
    expect(await echo(talk)).toContain('hello')
    expect(asked).toBe(1)
    await talk.close()
    const [only, ...others] = await recorded()
    expect(others).toEqual([])
    expect(only).toEqual(['ok', expect.arrayContaining(['approved'])])
  })

  test('is refused where the person declines', async () => {
    await start()
    const talk = await client(line, () => ({ action: 'decline' }))
    expect(await echo(talk)).toContain('ACCESS_DENIED')
    await talk.close()
    expect(await recorded()).toEqual([['denied', ['declined']]])
  })

  test('is refused with a hint where the client cannot ask', async () => {
    await start()
    const talk = await client(line)
    expect(await echo(talk)).toMatch(/ACCESS_DENIED.*approval of an operator/u)
    await talk.close()
    expect(await recorded()).toEqual([['denied', ['require_approval']]])
  })

  test('is refused where nobody answers in time; others pass meanwhile', async () => {
    await start([enforceDecisions({ approvalMs: 300 })])
    const talk = await client(line, () => new Promise<Reply>(() => undefined))
    const call = echo(talk)
    expect(JSON.stringify(await talk.call('log'))).toContain('logged')
    expect(await call).toContain('ACCESS_DENIED')
    await talk.close()
    expect(await recorded()).toEqual([['denied', ['unanswered']]])
  })
})

interface Stream {
  /** The next message of the answer; nothing at its end. */
  readonly next: () => Promise<Members | undefined>
  readonly leave: () => void
}

/** How a message is sent otherwise than usual. */
interface Way {
  readonly headers?: Record<string, string>
  readonly at?: Proxy
}

/** A client that is written by hand. */
interface Hand {
  readonly send: (message: object, headers?: Record<string, string>) => Promise<Response>
  readonly call: () => Promise<Stream>
  readonly answer: (id: unknown, result?: object, way?: Way) => Promise<number>
  /** Ends the session. */
  readonly end: () => Promise<unknown>
}

async function hand(more: Record<string, string> = {}): Promise<Hand> {
  const url = new URL('/mcp', proxy.url)
  const fields: Record<string, string> = { ...more }
  const send = (
    message: object,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Response> =>
    fetch(url, {
      ...post({ jsonrpc: '2.0', ...message }, { ...fields, ...headers }),
      ...(signal && { signal }),
    })
  const params = { protocolVersion: version, capabilities: { elicitation: {} }, clientInfo: info }
  const begun = await send({ id: 0, method: 'initialize', params })
  await begun.text()
  fields['mcp-session-id'] = begun.headers.get('mcp-session-id') ?? ''
  fields['mcp-protocol-version'] = version
  await (await send({ method: 'notifications/initialized' })).text()
  return {
    send,
    call: async () => {
      const leaving = new AbortController()
      const asked = { id: 1, method: 'tools/call', params: { name: 'echo', arguments: { text: 'hello' } } }
      const { body } = await send(asked, {}, leaving.signal)
      const chunks = body?.pipeThrough(new TextDecoderStream()).getReader()
      let text = ''
      return {
        next: async () => {
          for (;;) {
            const found = /^data: (.+)\n\n/mu.exec(text)
            if (found !== null) {
              text = text.slice(found.index + found[0].length)
              const message: unknown = JSON.parse(found[1] ?? '')
              return isMembers(message) ? message : undefined
            }
            const read = await chunks?.read()
            if (read?.value === undefined) return undefined
            text += read.value
          }
        },
        leave: () => leaving.abort(),
      }
    },
    answer: async (id, result = yes, { headers = {}, at = proxy } = {}) => {
      const init = post({ jsonrpc: '2.0', id, result }, { ...fields, ...headers })
      return (await fetch(new URL('/mcp', at.url), init)).status
    },
    end: () => fetch(url, { method: 'DELETE', headers: fields }),
  }
}

describe('a question in the answer to a call', () => {
  test('is answered by who was asked, in that session, by its id, once', async () => {
    await start()
    const [alice, other] = [await hand(), await hand()]
    const stream = await alice.call()
    const question = await stream.next()
    expect(question).toMatchObject({ method: 'elicitation/create', id: expect.stringMatching(/^muniment-/u) })
    expect(JSON.stringify(question)).not.toContain('Mallory')
    const id = question?.['id']
    await alice.answer(id, yes, { headers: { 'x-who': 'mallory' } })
    await other.answer(id)
    await alice.answer('muniment-00000000-0000-4000-8000-000000000000')
    await alice.answer(`${textMember(question, 'id') ?? ''} `)
    // None of these was heard: it is the person who declines.
    expect(await alice.answer(id, { action: 'decline' })).toBe(202)
    expect(await stream.next()).toMatchObject({ id: 1, error: { message: 'ACCESS_DENIED' } })
    // An answer that comes later changes nothing.
    await alice.answer(id)
    expect(await stream.next()).toBeUndefined()
    expect(await recorded()).toEqual([['denied', ['declined']]])
  })

  test('does not let a second call run', async () => {
    await start()
    const alice = await hand()
    const first = await alice.call()
    const id = member(await first.next(), 'id')
    await alice.answer(id)
    expect(JSON.stringify(await first.next())).toContain('hello')
    const second = await alice.call()
    const next = await second.next()
    expect(next).toMatchObject({ method: 'elicitation/create' })
    expect(next?.['id']).not.toBe(id)
    await alice.answer(id)
    await alice.answer(next?.['id'], { action: 'decline' })
    expect(await second.next()).toMatchObject({ error: { message: 'ACCESS_DENIED' } })
  })

  test('ends with the call of a client that goes away, which then never runs', async () => {
    const over: string[] = []
    const watching: GuardPart = {
      stage: 'errors',
      open: () => ({ ended: one => void over.push(one.method) }),
    }
    const whole = sessions()
    const calls: string[] = []
    await start([enforceDecisions(), watching], (request, response) => {
      calls.push(request.headers['content-length'] ?? '')
      return whole(request, response)
    })
    const alice = await hand()
    const before = calls.length
    const stream = await alice.call()
    const question = await stream.next()
    stream.leave()
    await expect.poll(() => over).toContain('tools/call')
    expect(calls).toHaveLength(before)
    await alice.answer(question?.['id'])
    expect(await recorded()).toEqual([['denied', ['unanswered']]])
  })

  test.each<[string, (alice: Hand) => Promise<unknown>]>([
    ['its session', alice => alice.end()],
    [
      'the cancelling of its call',
      alice => alice.send({ method: 'notifications/cancelled', params: { requestId: 1 } }),
    ],
  ])('ends with %s', async (_, end) => {
    await start()
    const alice = await hand()
    const stream = await alice.call()
    const question = await stream.next()
    await end(alice)
    expect(await stream.next()).toMatchObject({ id: 1, error: { message: 'ACCESS_DENIED' } })
    await alice.answer(question?.['id'])
    expect(await recorded()).toEqual([['denied', ['unanswered']]])
  })

  test('is answered at the process that asks: at another it approves nothing', async () => {
    await start([enforceDecisions({ approvalMs: 1000 })])
    const alice = await hand()
    const stream = await alice.call()
    const question = await stream.next()
    const routes = [{ upstream: upstream?.url ?? new URL(proxy.url) }]
    const guard = [believing, enforceDecisions()]
    const twin = await startProxy({ home: lab.home, onProblem: () => undefined, routes, guard })
    await alice.answer(question?.['id'], yes, { at: twin })
    expect(await stream.next()).toMatchObject({ id: 1, error: { message: 'ACCESS_DENIED' } })
    await twin.close(0)
  })

  test('is followed by the answer of a server that answers in JSON, in several lines', async () => {
    const result = { content: [{ type: 'text', text: 'line\nbreak' }] }
    const serve: Serve = (request, response) => {
      void json(request).then(message => {
        const id = member(message, 'id')
        if (id === undefined) return response.writeHead(202).end()
        const begun = { protocolVersion: version, capabilities: {}, serverInfo: info }
        const said = { jsonrpc: '2.0', id, result: id === 0 ? begun : result }
        return response
          .writeHead(200, { 'Content-Type': 'application/json', 'Mcp-Session-Id': 'one' })
          .end(JSON.stringify(said, undefined, 2).replaceAll('\n', '\r\n'))
      })
    }
    await start([enforceDecisions()], serve)
    const alice = await hand()
    const stream = await alice.call()
    await alice.answer(member(await stream.next(), 'id'))
    expect(await stream.next()).toEqual({ jsonrpc: '2.0', id: 1, result })
    expect(await stream.next()).toBeUndefined()
    expect(await recorded()).toEqual([['ok', ['approved']]])
  })

  test.each<[string, Record<string, string>]>([
    ['takes no stream', { accept: 'application/json' }],
    ['has no session', { 'mcp-session-id': '' }],
  ])('is not put to a client that %s', async (_, headers) => {
    await start()
    const alice = await hand()
    const params = { name: 'echo', arguments: { text: 'hello' } }
    const said = await alice.send({ id: 1, method: 'tools/call', params }, headers)
    expect(await said.text()).toContain('needs the approval of an operator')
  })

  test.each<[string, Serve]>([
    ['fails', (_, response) => void response.writeHead(500, { 'Content-Type': 'text/plain' }).end('secret')],
    ['hangs up', (_, response) => void response.destroy()],
    ['says nothing', (_, response) => void response.writeHead(202).end()],
  ])('is followed by an error where the server %s', async (_, fail) => {
    const whole = sessions()
    let isFailing = false
    await start([enforceDecisions()], (request, response) => (isFailing ? fail : whole)(request, response))
    const alice = await hand()
    const stream = await alice.call()
    const question = await stream.next()
    isFailing = true
    await alice.answer(question?.['id'])
    const said = await stream.next()
    expect(said).toMatchObject({ id: 1, error: {} })
    expect(JSON.stringify(said)).not.toContain('secret')
  })
})
