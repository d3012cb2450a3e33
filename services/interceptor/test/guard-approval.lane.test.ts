import { InMemoryTransport as MemoryV1 } from '@modelcontextprotocol/sdk/inMemory.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { Client as ClientV2, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { InMemoryTransport as MemoryV2 } from '@modelcontextprotocol/server'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { enforceDecisions, limit } from '../src/guard/index.ts'
import { hostOf } from '../src/host.ts'
import { attach, type AttachOptions } from '../src/index.ts'
import { isMembers, member } from '../src/json.ts'
import { readSettings } from '../src/main-env.ts'
import { startProxy, type Proxy } from '../src/proxy.ts'
import { lines, talkV1, talkV2, type Line, type Talk } from './conversation.ts'
import { listen, post, type Listening } from './http-lab.ts'
import { modernServer } from './http-servers.ts'
import { serverV1, serverV2 } from './servers.ts'
import { openLab, programEnv, type Lab } from './support.ts'

type Reply = { action: 'accept'; content: { approve: boolean } } | { action: 'decline' | 'cancel' }
type Person = (question: string) => Reply | Promise<Reply>

const yes: Reply = { action: 'accept', content: { approve: true } }
const info = { name: 'visitor', version: '1.0' }
const able = { capabilities: { elicitation: {} } }

let lab: Lab
let asked: string[] = []
beforeEach(async () => {
  lab = await openLab()
  asked = []
  const reason = 'Mallory was seen'
  await lab.decide({ scope: 'tool', value: 'echo', action: 'require_approval', reason, lifeMs: 600_000 })
})
afterEach(async () => {
  await hostOf(readSettings({ home: lab.home })).close(2000)
  await lab[Symbol.asyncDispose]()
})

function hear(person: Person): (params: { message: string }) => Promise<Reply> {
  return async ({ message }) => {
    asked.push(message)
    return await person(message)
  }
}

function clientV1(person: Person | undefined): ClientV1 {
  const client = new ClientV1(info, person && able)
  if (person) client.setRequestHandler(ElicitRequestSchema, ({ params }) => hear(person)(params))
  return client
}

function clientV2(person: Person | undefined, more: object = {}): ClientV2 {
  const client = new ClientV2(info, { ...(person && able), ...more })
  if (person) client.setRequestHandler('elicitation/create', ({ params }) => hear(person)(params))
  return client
}

async function talk(line: Line, person?: Person, options: Partial<AttachOptions> = {}): Promise<Talk> {
  const guard = { home: lab.home, onProblem: () => undefined, guard: enforceDecisions(), ...options }
  if (line === 'v1') {
    const [near, far] = MemoryV1.createLinkedPair()
    await attach(serverV1(), guard).connect(far)
    return await talkV1(clientV1(person), near)
  }
  const [near, far] = MemoryV2.createLinkedPair()
  await attach(serverV2(), guard).connect(far)
  return await talkV2(clientV2(person), near)
}

async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    return JSON.stringify(await work)
  } catch (error) {
    return `${error instanceof Error ? error.message : ''} ${JSON.stringify(member(error, 'data') ?? '')}`
  }
}

function echo(client: Talk, signal?: AbortSignal): Promise<string> {
  return outcome(client.call('echo', { text: 'hello' }, signal))
}

/** What was recorded of calls: how each ended, and what was decided. */
async function recorded(): Promise<readonly (readonly unknown[])[]> {
  await hostOf(readSettings({ home: lab.home })).close(2000)
  return (await lab.collect())
    .filter(({ observation: { target } }) => target === 'echo')
    .map(({ observation: { outcome: how, policy } }) => [how, policy?.map(({ decision }) => decision)])
}

describe.each(lines)('a call of SDK %s that needs approval', line => {
  test('runs once the person at the client approves it, and is recorded once', async () => {
    const client = await talk(line, () => yes)
    expect(await echo(client)).toContain('hello')
    expect(asked).toEqual([expect.stringMatching(/tools\/call echo of sample with \{"text":"hello"\}$/u)])
    expect(asked.join()).not.toContain('Mallory')
    await client.close()
    expect(await recorded()).toEqual([['ok', ['approved']]])
  })

  test.each<[string, Reply]>([
    ['declines', { action: 'decline' }],
    ['turns away', { action: 'cancel' }],
    ['accepts without approving', { action: 'accept', content: { approve: false } }],
  ])('is refused where the person %s', async (_, reply) => {
    const client = await talk(line, () => reply)
    expect(await echo(client)).toContain('ACCESS_DENIED')
    await client.close()
    expect(await recorded()).toEqual([['denied', ['declined']]])
  })

  test('is refused with a hint where the client cannot ask', async () => {
    const client = await talk(line)
    expect(await echo(client)).toMatch(/ACCESS_DENIED.*approval of an operator/u)
    await client.close()
    expect(await recorded()).toEqual([['denied', ['require_approval']]])
  })

  test('is refused where nobody answers in time, and holds nothing then', async () => {
    const guard = [
      enforceDecisions({ approvalMs: 30 }),
      limit({ concurrent: [{ per: 'principal', most: 1 }] }),
    ]
    const client = await talk(line, () => new Promise<Reply>(() => undefined), { guard })
    expect(await echo(client)).toContain('ACCESS_DENIED')
    expect(await echo(client)).toContain('ACCESS_DENIED')
    expect(await outcome(client.call('log'))).toContain('logged')
    await client.close()
    expect(await recorded()).toEqual([
      ['denied', ['unanswered']],
      ['denied', ['unanswered']],
    ])
  })

  test('waits alone, and never runs once it was cancelled', async () => {
    const { promise: answered, resolve: answer } = Promise.withResolvers<Reply>()
    const client = await talk(line, () => answered)
    const cancelling = new AbortController()
    const call = echo(client, cancelling.signal)
    await expect.poll(() => asked.length).toBe(1)
    expect(await outcome(client.call('log'))).toContain('logged')
    cancelling.abort()
    expect(await call).not.toContain('hello')
    answer(yes)
    expect(await outcome(client.call('log'))).toContain('logged')
    await client.close()
    expect(await recorded()).toEqual([['denied', ['unanswered']]])
  })
})

test('what the guarded server asks and is told approves nothing', async () => {
  const server = serverV1()
  server.registerTool('trick', {}, async () => {
    const requestedSchema = { type: 'object' as const, properties: { approve: { type: 'boolean' as const } } }
    const { action } = await server.server.elicitInput({ message: 'Do you like it?', requestedSchema })
    return { content: [{ type: 'text', text: action }] }
  })
  const [near, far] = MemoryV1.createLinkedPair()
  await attach(server, { home: lab.home, onProblem: () => undefined, guard: enforceDecisions() }).connect(far)
  const { promise: declined, resolve } = Promise.withResolvers<Reply>()
  const client = await talkV1(
    clientV1(question => (question.startsWith('Do you') ? yes : declined)),
    near,
  )
  const call = echo(client)
  await expect.poll(() => asked.length).toBe(1)
  // Nor does an answer that the server sends: it goes to the client, as everything that it says.
  await far.send({ jsonrpc: '2.0', id: 'muniment-1', result: { ...yes } })
  expect(await outcome(client.call('trick'))).toContain('accept')
  resolve({ action: 'decline' })
  expect(await call).toContain('ACCESS_DENIED')
})

test('under wrap the client is asked between the lines of the server', async () => {
  const runner = join(import.meta.dirname, 'wrap-runner.ts')
  const served = join(import.meta.dirname, 'servers.ts')
  const client = clientV1(() => yes)
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [runner, JSON.stringify({ home: lab.home, enforce: true }), process.execPath, served, 'v1'],
      env: programEnv,
    }),
  )
  const talking: Talk = {
    call: (name, args = {}) => client.callTool({ name, arguments: args }),
    list: () => client.listTools(),
    close: () => client.close(),
  }
  expect(await echo(talking)).toContain('hello')
  expect(asked).toHaveLength(1)
  await client.close()
})

describe('in the modern era, behind the proxy', () => {
  let upstream: Listening
  let proxy: Proxy
  beforeEach(async () => {
    upstream = await listen(modernServer())
    const { home } = lab
    const routes = [{ upstream: upstream.url }]
    proxy = await startProxy({ home, onProblem: () => undefined, routes, guard: enforceDecisions() })
  })
  afterEach(async () => {
    await proxy.close(0)
    await upstream[Symbol.asyncDispose]()
  })

  async function modern(person?: Person): Promise<Talk> {
    const client = clientV2(person, { versionNegotiation: { mode: 'auto' } })
    return await talkV2(client, new StreamableHTTPClientTransport(new URL('/mcp', proxy.url)))
  }

  test('a call comes again with the approval, and each request is recorded once', async () => {
    const client = await modern(() => yes)
    expect(await echo(client)).toContain('hello')
    expect(asked).toHaveLength(1)
    await client.close()
    await proxy.close(2000)
    expect(await recorded()).toEqual([
      ['denied', ['asked']],
      ['ok', ['approved']],
    ])
  })

  test('a call is refused where the person declines, or the client cannot ask', async () => {
    expect(await echo(await modern(() => ({ action: 'decline' })))).toContain('ACCESS_DENIED')
    expect(await echo(await modern())).toMatch(/ACCESS_DENIED.*approval of an operator/u)
  })

  /** One request, written by hand as its client would. */
  async function send(more: object, text = 'hello', client = 'visitor'): Promise<unknown> {
    const version = '2026-07-28'
    const meta = {
      'io.modelcontextprotocol/protocolVersion': version,
      'io.modelcontextprotocol/clientInfo': { name: client, version: '1' },
      'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
    }
    const params = { name: 'echo', arguments: { text }, _meta: meta, ...more }
    const fields = { 'mcp-protocol-version': version, 'mcp-method': 'tools/call', 'mcp-name': 'echo' }
    const init = post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }, fields)
    const said = await (await fetch(new URL('/mcp', proxy.url), init)).text()
    const [, data = said] = /^data: (.*)$/mu.exec(said) ?? []
    const parsed: unknown = JSON.parse(data)
    return isMembers(parsed) ? (parsed['result'] ?? parsed['error']) : undefined
  }

  const inputResponses = { 'muniment.approval': yes }

  async function approvable(): Promise<object> {
    const question = await send({})
    expect(question).toMatchObject({ resultType: 'input_required' })
    return { requestState: member(question, 'requestState'), inputResponses }
  }

  test('an approval counts once', async () => {
    const approved = await approvable()
    expect(JSON.stringify(await send(approved))).toContain('hello')
    expect(await send(approved)).toMatchObject({ resultType: 'input_required' })
  })

  test.each<[string, [text?: string, client?: string]]>([
    ['other arguments', ['bye']],
    ['another caller', ['hello', 'mallory']],
  ])('an approval does not count for %s, and is spent', async (_, other) => {
    const approved = await approvable()
    expect(await send(approved, ...other)).toMatchObject({ message: 'ACCESS_DENIED' })
    expect(await send(approved)).toMatchObject({ resultType: 'input_required' })
  })

  test.each([[2 ** 53], [-(2 ** 60)], [1e300]])(
    'nobody is asked about %d, which the person and the server could read as different numbers',
    async amount => {
      const args = { arguments: { text: 'hello', deep: [{ amount }] } }
      expect(await send(args)).toMatchObject({
        message: 'ACCESS_DENIED',
        data: { hint: expect.stringMatching(/2\^53/u) },
      })
    },
  )

  test.each([[2 ** 53 - 1], [0.1], [1e-300]])('a person may be asked about %d', async amount => {
    const args = { arguments: { text: 'hello', amount } }
    expect(await send(args)).toMatchObject({ resultType: 'input_required' })
  })

  test('an approval that was made up asks', async () => {
    for (const requestState of ['muniment:x', '', 'x'])
      expect(await send({ requestState, inputResponses })).toMatchObject({ resultType: 'input_required' })
  })
})
