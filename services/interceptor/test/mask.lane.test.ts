import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { InMemoryTransport as MemoryV1 } from '@modelcontextprotocol/sdk/inMemory.js'
import { McpServer as ServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { CreateMessageRequestSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import {
  createMcpHandler,
  InMemoryTransport as MemoryV2,
  McpServer as ServerV2,
} from '@modelcontextprotocol/server'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { maskBeforeModel, type GuardPart } from '../src/guard/index.ts'
import { hostOf } from '../src/host.ts'
import { attach, type Problem } from '../src/index.ts'
import { readSettings } from '../src/main-env.ts'
import { startProxy } from '../src/proxy.ts'
import { listen } from './http-lab.ts'
import type { Serve } from './http-servers.ts'
import { openLab, programEnv, type Lab, type Seen } from './support.ts'

// Made up; none of it may be seen by a model, nor in anything that is told about a call.
const planted = {
  mail: 'ada.planted@example.org',
  phone: '+1 415 555 2671',
  card: '4111 1111 1111 1111',
  ssn: '078-05-1121',
}
const person = {
  mail: z.email(),
  phone: z.string().regex(/^\+?[\d ]+$/u),
  card: z.string().regex(/^[\d ]{19}$/u),
  ssn: z.string().regex(/^\d{3}-\d{2}-\d{4}$/u),
  mobile: z.number().int(),
}
const record = { ...planted, mobile: 4_155_552_671 }
const token = /\[EMAIL:[a-z]{32}\]/u

function sha256(bytes: Uint8Array | string | undefined): string {
  return createHash('sha256')
    .update(bytes ?? '')
    .digest('hex')
}

const isClear = (text: string): boolean =>
  Object.values(planted).every(value => !text.includes(value)) && !text.includes('4155552671')

interface Sent {
  to?: unknown
}

const look = (): { content: { type: 'text'; text: string }[]; structuredContent: typeof record } => ({
  content: [{ type: 'text', text: JSON.stringify(record) }],
  structuredContent: record,
})

const fail = (): never => {
  throw new Error(`no such person: ${planted.mail}`)
}

function tools(server: ServerV1 | ServerV2, sent: Sent): void {
  const send = ({ to }: { to: string }): { content: { type: 'text'; text: string }[] } => {
    sent.to = to
    return { content: [{ type: 'text', text: 'sent' }] }
  }
  if (server instanceof ServerV1) {
    server.registerTool('look', { outputSchema: person }, look)
    server.registerTool('send', { inputSchema: { to: z.string() } }, send)
    server.registerTool('fail', {}, fail)
  } else {
    server.registerTool('look', { outputSchema: z.object(person) }, look)
    server.registerTool(
      'send',
      { inputSchema: z.object({ to: z.string().meta({ 'x-mcp-header': 'To' }) }) },
      send,
    )
    server.registerTool('fail', {}, fail)
  }
}

/** What a model sees and does: calls, and everything that comes between. */
interface Model {
  readonly call: (name: string, args?: Record<string, unknown>) => Promise<string>
  readonly told: string[]
  readonly close: () => Promise<unknown>
}

let lab: Lab
let problems: Problem[] = []
let sent: Sent = {}
let guarded: <T extends object>(server: T) => T
beforeEach(async () => {
  lab = await openLab()
  problems = []
  sent = {}
  const options = {
    home: lab.home,
    onProblem: (one: Problem) => problems.push(one),
    guard: maskBeforeModel(),
  }
  guarded = server => attach(server, options)
})
afterEach(async () => {
  await hostOf(readSettings({ home: lab.home })).close(2000)
  await lab[Symbol.asyncDispose]()
})

async function end(): Promise<Seen[]> {
  await hostOf(readSettings({ home: lab.home })).close(2000)
  return await lab.collect()
}

const info = { name: 'crm', version: '1' }
const visitor = { name: 'model', version: '1' }
const abilities = { capabilities: { elicitation: {}, sampling: {} } }

function serverV1(): ServerV1 {
  const server = new ServerV1(info, { capabilities: { logging: {} } })
  tools(server, sent)
  server.registerTool('ask', {}, async ({ sendNotification, _meta }) => {
    const progressToken = _meta?.progressToken ?? 'none'
    await sendNotification({
      method: 'notifications/progress',
      params: { progressToken, progress: 1, message: `reading ${planted.mail}` },
    })
    await sendNotification({
      method: 'notifications/message',
      params: { level: 'info', data: { who: planted.phone } },
    })
    const requestedSchema = {
      type: 'object' as const,
      properties: { to: { type: 'string' as const, format: 'email' as const, default: planted.mail } },
    }
    const answer = await server.server.elicitInput({ message: `Write to ${planted.mail}?`, requestedSchema })
    const { content } = await server.server.createMessage({
      maxTokens: 9,
      messages: [{ role: 'user', content: { type: 'text', text: `Greet ${planted.mail}` } }],
    })
    sent.to = [answer.content?.['to'], content]
    return { content: [{ type: 'text', text: 'done' }] }
  })
  return server
}

function serverV2(): ServerV2 {
  const server = new ServerV2(info)
  tools(server, sent)
  return server
}

/** A client that does what it is asked with what it was given. */
function clientV1(told: string[]): ClientV1 {
  const client = new ClientV1(visitor, abilities)
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    told.push(JSON.stringify(params))
    const offered = /[a-z]{32}@masked\.invalid/u.exec(JSON.stringify(params))?.[0] ?? ''
    return { action: 'accept', content: { to: offered } }
  })
  client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => {
    told.push(JSON.stringify(params))
    const [message] = params.messages
    return {
      role: 'assistant',
      model: 'm',
      content: { type: 'text', text: `Done: ${JSON.stringify(message?.content)}` },
    }
  })
  client.fallbackNotificationHandler = async notification => void told.push(JSON.stringify(notification))
  return client
}

async function modelV1(client: ClientV1, told: string[]): Promise<Model> {
  const onprogress = (progress: object): void => void told.push(JSON.stringify(progress))
  await client.listTools()
  return {
    told,
    call: async (name, args = {}) => {
      return JSON.stringify(await client.callTool({ name, arguments: args }, undefined, { onprogress }))
    },
    close: () => client.close(),
  }
}

/** In the modern era only who names a conversation has one. */
async function modelV2(client: ClientV2, conversation?: string): Promise<Model> {
  await client.listTools()
  const meta =
    conversation === undefined ? {} : { _meta: { baggage: `gen_ai.conversation.id=${conversation}` } }
  return {
    told: [],
    call: async (name, args = {}) =>
      JSON.stringify(await client.callTool({ name, arguments: args, ...meta })),
    close: () => client.close(),
  }
}

const memoryV1 = async (): Promise<Model> => {
  const [near, far] = MemoryV1.createLinkedPair()
  await guarded(serverV1()).connect(far)
  const told: string[] = []
  const client = clientV1(told)
  await client.connect(near)
  return await modelV1(client, told)
}

const memoryV2 = async (): Promise<Model> => {
  const [near, far] = MemoryV2.createLinkedPair()
  await guarded(serverV2()).connect(far)
  const client = new ClientV2(visitor)
  await client.connect(near)
  return await modelV2(client)
}

const sessionsV1 = async (): Promise<Model> => {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID })
  await guarded(serverV1()).connect(transport)
  const http = await listen((request, response) => transport.handleRequest(request, response))
  const told: string[] = []
  const client = clientV1(told)
  await client.connect(new HttpV1(http.url))
  return closedWith(await modelV1(client, told), http)
}

const modern =
  (principal: string | undefined, conversation: string | undefined) => async (): Promise<Model> => {
    const handler = createMcpHandler(() => guarded(serverV2()))
    const authInfo =
      principal === undefined ? {} : { authInfo: { token: 't', clientId: principal, scopes: [] } }
    const fetch = async (input: string | URL, init?: RequestInit): Promise<Response> =>
      await handler.fetch(new Request(input, init), authInfo)
    const client = new ClientV2(visitor, { versionNegotiation: { mode: 'auto' } })
    await client.connect(new HttpV2(new URL('http://127.0.0.1/mcp'), { fetch }))
    return await modelV2(client, conversation)
  }

const known: GuardPart = {
  stage: 'authenticate',
  open: () => ({ door: () => ({ principal: { id: 'ada', method: 'api_key' }, notes: [] }) }),
}

async function behindProxy(
  serve: Serve,
  guard: readonly GuardPart[],
): Promise<AsyncDisposable & { url: URL }> {
  const upstream = await listen(serve)
  const proxy = await startProxy({
    home: lab.home,
    onProblem: one => problems.push(one),
    routes: [{ upstream: upstream.url }],
    guard,
  })
  const close = async (): Promise<void> => {
    await proxy.close(2000)
    await upstream[Symbol.asyncDispose]()
  }
  return { url: new URL('/mcp', proxy.url), [Symbol.asyncDispose]: close }
}

function closedWith(model: Model, http: AsyncDisposable): Model {
  const close = async (): Promise<void> => {
    await model.close()
    await http[Symbol.asyncDispose]()
  }
  return { ...model, close }
}

const proxiedV1 = async (): Promise<Model> => {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID })
  await serverV1().connect(transport)
  const http = await behindProxy(
    (request, response) => transport.handleRequest(request, response),
    [maskBeforeModel()],
  )
  const told: string[] = []
  const client = clientV1(told)
  await client.connect(new HttpV1(http.url))
  return closedWith(await modelV1(client, told), http)
}

const proxiedModern = async (): Promise<Model> => {
  const handler = toNodeHandler(createMcpHandler(serverV2))
  const serve: Serve = (request, response) => {
    const { method = '', url = '' } = request
    return handler(Object.assign(request, { method, url }), response)
  }
  const http = await behindProxy(serve, [maskBeforeModel(), known])
  const client = new ClientV2(visitor, { versionNegotiation: { mode: 'auto' } })
  await client.connect(new HttpV2(http.url))
  return closedWith(await modelV2(client, 'c1'), http)
}

function everythingOf(seen: readonly Seen[]): string {
  return JSON.stringify([seen.map(({ observation }) => observation), problems])
}

type Changes = Readonly<
  Record<'request' | 'response', NonNullable<Seen['observation']['request']>['changed']>
>

function changesOf({ observation: { request, response } }: Seen): Changes {
  return { request: request?.changed, response: response?.changed }
}

describe.each<[string, () => Promise<Model>]>([
  ['of SDK v1 in memory', memoryV1],
  ['of SDK v2 in memory', memoryV2],
  ['of SDK v1 with a session over HTTP', sessionsV1],
  ['of SDK v2 in the modern era over HTTP, whose client names a conversation', modern('ada', 'c1')],
  ['of SDK v1 with a session behind the proxy', proxiedV1],
  ['of SDK v2 in the modern era behind the proxy, with mirrored parameters', proxiedModern],
])('a server %s', (_, open) => {
  test('shows a model nothing personal, in a form that its output schema accepts, and gets back what it gave', async () => {
    const model = await open()
    // The official clients check structured content against the tool's schema and throw where it does not fit.
    const looked = await model.call('look')
    expect(isClear(looked)).toBe(true)
    const { mail, mobile } = JSON.parse(JSON.parse(looked).content[0].text)
    expect(mail).toMatch(/^\[EMAIL:[a-z]{32}\]$/u)
    expect(mobile).toMatch(/^\[PHONE:[a-z]{32}\]$/u)
    await model.call('send', { to: `"Ada" <${mail}>` })
    expect(sent.to).toBe(`"Ada" <${planted.mail}>`)
    await model.call('send', { to: JSON.parse(looked).structuredContent.mail })
    expect(sent.to).toBe(planted.mail)
    expect(isClear(await model.call('fail'))).toBe(true)
    await model.close()
    const seen = await end()
    expect(isClear(everythingOf(seen))).toBe(true)
    const calls = seen.filter(({ observation }) => observation.method === 'tools/call')
    expect(calls.map(({ observation }) => observation.policy)).toEqual([
      [{ name: 'mask/before_llm', decision: 'masked', reason: expect.stringContaining('by policy; ') }],
      [
        { name: 'mask/restore', decision: 'restored', reason: '1 restored' },
        expect.objectContaining({ decision: 'nothing_found' }),
      ],
      [
        { name: 'mask/restore', decision: 'restored', reason: '1 restored' },
        expect.objectContaining({ decision: 'nothing_found' }),
      ],
      [{ name: 'mask/before_llm', decision: 'masked', reason: 'by policy; EMAIL 1' }],
    ])
    expect(calls[0]?.response?.toString()).toContain(planted.mail)
    const [looking, sending] = calls.map(changesOf)
    expect(looking?.response?.findings).toContainEqual({
      type: 'EMAIL',
      path: 'result.content[].text.mail',
      count: 1,
      action: 'token',
    })
    expect(looking).toEqual({ request: undefined, response: expect.anything() })
    expect(looking?.response?.sha256).not.toBe(sha256(calls[0]?.response))
    const restored = calls[1]?.request?.toString().replace(token, planted.mail)
    expect(sending).toMatchObject({ request: { sha256: sha256(restored) }, response: undefined })
  })
})

test.each<[string, () => Promise<Model>]>([
  ['that nobody verified', modern(undefined, 'c1')],
  ['that names no conversation', modern('ada', undefined)],
])('a modern client %s gets placeholders that stand for nothing', async (_, open) => {
  const model = await open()
  const looked = await model.call('look')
  expect(isClear(looked)).toBe(true)
  expect(JSON.parse(JSON.parse(looked).content[0].text)).toMatchObject({ mail: '[EMAIL]', mobile: '[PHONE]' })
  await model.close()
})

test.each<[string, () => Promise<Model>]>([
  ['in memory', memoryV1],
  ['with a session over HTTP', sessionsV1],
])(
  'what a server asks and tells in the course of a call is masked, and answered in the clear: %s',
  async (_, open) => {
    const model = await open()
    await model.call('ask')
    expect(model.told.length).toBeGreaterThanOrEqual(4)
    expect(model.told.filter(one => !isClear(one))).toEqual([])
    expect(sent.to).toEqual([
      planted.mail,
      { type: 'text', text: expect.stringContaining(`Greet ${planted.mail}`) },
    ])
    await model.close()
    expect(isClear(everythingOf(await end()))).toBe(true)
  },
)

test('a server that asks what cannot be masked learns that nobody was asked', async () => {
  const options = {
    home: lab.home,
    onProblem: () => undefined,
    guard: maskBeforeModel({ maxCharacters: 900 }),
  }
  const server = new ServerV1(info)
  server.registerTool('ask', {}, async () => {
    const requestedSchema = { type: 'object' as const, properties: {} }
    const message = `${planted.mail} `.repeat(50)
    const answer = await server.server.elicitInput({ message, requestedSchema })
    return { content: [{ type: 'text', text: answer.action }] }
  })
  const [near, far] = MemoryV1.createLinkedPair()
  await attach(server, options).connect(far)
  const told: string[] = []
  const client = clientV1(told)
  await client.connect(near)
  const answer = await client.callTool({ name: 'ask', arguments: {} })
  expect(answer).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('kept back') }] })
  expect(told).toEqual([])
  await client.close()
})

test('what cannot be masked is answered with an error that says nothing', async () => {
  const options = {
    home: lab.home,
    onProblem: (one: Problem) => problems.push(one),
    guard: maskBeforeModel({ maxCharacters: 600 }),
  }
  guarded = server => attach(server, options)
  const [near, far] = MemoryV2.createLinkedPair()
  const server = new ServerV2(info)
  server.registerTool('much', {}, () => ({ content: [{ type: 'text', text: planted.mail.repeat(50) }] }))
  await guarded(server).connect(far)
  const client = new ClientV2(visitor)
  await client.connect(near)
  await expect(client.callTool({ name: 'much', arguments: {} })).rejects.toThrow(/SERVICE_ERROR/u)
  await client.close()
  const seen = await end()
  expect(seen.find(({ observation }) => observation.target === 'much')?.observation.policy).toMatchObject([
    { name: 'guard', decision: 'refuse' },
  ])
  expect(isClear(everythingOf(seen))).toBe(true)
  expect(problems.map(({ code }) => code)).toContain('LIMIT_EXCEEDED')
})

/** Answers each line with one of its own, and keeps what it got. */
const program = `
  const { appendFileSync } = require('node:fs')
  require('node:readline').createInterface({ input: process.stdin }).on('line', line => {
    appendFileSync(process.argv[1], line + '\\n')
    const { id } = JSON.parse(line)
    process.stdout.write('{"id":' + id + ', "jsonrpc":"2.0","result":{"n":12345678901234567890,"x":1.0e2,"content":[{"type":"text","text":"to ${planted.mail}"}]}}\\n')
  })`

function callTo(to: string): string {
  return `{"jsonrpc":"2.0", "id":2,"method":"tools/call","params":{"arguments":{"n":98765432109876543210,"to":"${to}"}}}`
}

test('under wrap all bytes but those of what was found are the sender\u2019s own', async () => {
  const runner = fileURLToPath(new URL('wrap-runner.ts', import.meta.url))
  const got = join(lab.home, 'got')
  const options = JSON.stringify({ home: lab.home, mask: true })
  const run = spawn(process.execPath, [runner, options, process.execPath, '-e', program, got], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: programEnv,
  })
  const said = createInterface({ input: run.stdout })[Symbol.asyncIterator]()
  const tell = async (line: string): Promise<string> => {
    run.stdin.write(`${line}\n`)
    return String((await said.next()).value)
  }
  await tell('{"jsonrpc":"2.0","id":0,"method":"initialize"}')
  const answer = await tell('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look"}}')
  expect(answer).toMatch(
    /^\{"id":1, "jsonrpc":"2\.0","result":\{"n":12345678901234567890,"x":1\.0e2,"content":\[\{"type":"text","text":"to \[EMAIL:[a-z]{32}\]"\}\]\}\}$/u,
  )
  const given = token.exec(answer)?.[0] ?? ''
  await tell(callTo(given))
  run.stdin.end()
  if (run.exitCode === null) await once(run, 'exit')
  expect((await readFile(got, 'utf8')).split('\n')[2]).toBe(callTo(planted.mail))
  const seen = await lab.collect()
  expect(isClear(everythingOf(seen))).toBe(true)
})
