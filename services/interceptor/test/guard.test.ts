import { InMemoryTransport as MemoryV1 } from '@modelcontextprotocol/sdk/inMemory.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createMcpHandler, InMemoryTransport as MemoryV2 } from '@modelcontextprotocol/server'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { enforceDecisions, type DecisionOptions } from '../src/guard/index.ts'
import { hostOf } from '../src/host.ts'
import { attach, tap, type AttachOptions, type Problem } from '../src/index.ts'
import { readSettings } from '../src/main-env.ts'
import { lines, newClientV1, newClientV2, talkV1, talkV2, type Line, type Talk } from './conversation.ts'
import { serverV1, serverV2 } from './servers.ts'
import { openLab, story, writeSnapshot, type Lab, type Seen } from './support.ts'

const secret = 'Mallory was seen at the till'
const visitor = { scope: 'principal', value: 'label:visitor', reason: secret, lifeMs: 600_000 } as const
const blocked = { ...visitor, action: 'block' } as const

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

function onProblem(problem: Problem): void {
  problems.push(problem)
}

function guarded(options: DecisionOptions = {}, more: AttachOptions = {}): AttachOptions {
  return { home: lab.home, onProblem, guard: enforceDecisions(options), ...more }
}

async function talk(line: Line, options: AttachOptions): Promise<Talk> {
  if (line === 'v1') {
    const [near, far] = MemoryV1.createLinkedPair()
    await attach(serverV1(), options).connect(far)
    return await talkV1(newClientV1(), near)
  }
  const [near, far] = MemoryV2.createLinkedPair()
  await attach(serverV2(), options).connect(far)
  return await talkV2(newClientV2(), near)
}

const echo = { text: 'hello' }

/** What became of a call: its text, or the error as the client saw it. */
async function call(client: Talk, name = 'echo'): Promise<string> {
  try {
    return JSON.stringify(await client.call(name, echo))
  } catch (error) {
    const data = error instanceof Error && 'data' in error ? JSON.stringify(error.data) : ''
    return `${error instanceof Error ? error.message : String(error)} ${data}`
  }
}

/** Until decisions that were written are in force. */
async function until(isMet: () => Promise<boolean>): Promise<void> {
  await expect.poll(isMet, { interval: 10, timeout: 5000 }).toBe(true)
}

describe.each(lines)('a server of SDK %s behind a guard', line => {
  test('answers as before while nothing was decided, and refuses within moments of a decision', async () => {
    const client = await talk(line, guarded())
    expect(await call(client)).toContain('hello')
    await lab.decide(blocked)
    await until(async () => (await call(client)).includes('ACCESS_DENIED'))
    await lab.decide({ ...blocked, action: 'observe' })
    await until(async () => (await call(client)).includes('hello'))
    await client.close()
    const calls = (await end()).filter(({ observation }) => observation.target === 'echo')
    expect(calls.map(({ observation }) => observation.outcome)).toContain('denied')
  })

  test('leaves one event of a refused call, with the decision and its reason, and tells the caller neither', async () => {
    await lab.decide(blocked)
    const client = await talk(line, guarded())
    const answer = await call(client)
    expect(answer).toContain('ACCESS_DENIED')
    expect(answer).not.toContain('Mallory')
    await client.close()
    const seen = await end()
    const [refused, ...others] = seen.filter(({ observation }) => observation.target === 'echo')
    expect(others).toEqual([])
    expect(refused?.observation).toMatchObject({
      kind: 'call',
      outcome: 'denied',
      error: { code: -32_003, type: 'ACCESS_DENIED' },
      policy: [{ name: 'control/principal', decision: 'block', reason: `operator: ${secret}` }],
    })
    expect(JSON.parse(refused?.request?.toString() ?? '')).toMatchObject({ params: { name: 'echo' } })
    expect(JSON.parse(refused?.response?.toString() ?? '')).toMatchObject({
      error: { code: -32_003, message: 'ACCESS_DENIED' },
    })
    expect(seen.map(story)).toContain('call initialize ok')
  })

  test.each([
    ['a client', { scope: 'client', value: 'visitor' }],
    ['a server', { scope: 'server', value: 'sample' }],
    ['a tenant', { scope: 'tenant', value: 'default' }],
    ['a tool', { scope: 'tool', value: 'echo' }],
    ['a tool of one server', { scope: 'tool', value: 'sample/echo' }],
    ['one tenant’s calls of a principal', { scope: 'principal', value: 'label:visitor', tenant: 'default' }],
  ] as const)('refuses by %s', async (_, about) => {
    await lab.decide({ ...blocked, ...about })
    expect(await call(await talk(line, guarded()))).toContain('ACCESS_DENIED')
  })

  test.each([
    ['another tool', { scope: 'tool', value: 'fail' }],
    ['the tool of another server', { scope: 'tool', value: 'other/echo' }],
    ['another tenant', { scope: 'principal', value: 'label:visitor', tenant: 'acme' }],
    ['a part of its name', { scope: 'principal', value: 'label:visit' }],
  ] as const)('lets pass what is decided about %s', async (_, about) => {
    await lab.decide({ ...blocked, ...about })
    expect(await call(await talk(line, guarded()))).toContain('hello')
  })

  test('slows a caller down to the rate that was decided, and says when to come again', async () => {
    await lab.decide({ ...visitor, action: 'throttle', rate_per_minute: 20 })
    const client = await talk(line, guarded())
    const answers = await Promise.all(Array.from({ length: 10 }, () => call(client)))
    expect(answers.filter(each => each.includes('hello'))).toHaveLength(2)
    expect(answers.at(-1)).toContain('RATE_LIMITED')
    expect(answers.at(-1)).toMatch(/"retryAfterSeconds":[1-9]/u)
  })

  test('asks for approval with a hint', async () => {
    await lab.decide({ ...visitor, action: 'require_approval' })
    expect(await call(await talk(line, guarded()))).toContain('approval of an operator')
  })

  test('never touches what is on the allow-list, and says in the event that it would have', async () => {
    await lab.decide({ ...blocked, scope: 'server', value: 'sample' })
    const client = await talk(line, guarded({ allow: ['principal/label:visitor'] }))
    expect(await call(client)).toContain('hello')
    await client.close()
    const found = (await end()).find(({ observation }) => observation.target === 'echo')
    expect(found?.observation).toMatchObject({ outcome: 'ok', policy: [{ decision: 'allow_listed' }] })
  })

  test.each<[string, DecisionOptions, object]>([
    ['a guard that only observes', { mode: 'observe' }, {}],
    ['a rule in shadow mode', {}, { action: 'observe', would: 'block', rule: 'r', alert_id: 'a1' }],
  ])('with %s refuses nothing and tells what it would have done', async (_, options, draft) => {
    await lab.decide({ ...blocked, ...draft })
    const client = await talk(line, guarded(options))
    expect(await call(client)).toContain('hello')
    await client.close()
    const found = (await end()).find(({ observation }) => observation.target === 'echo')
    expect(found?.observation).toMatchObject({ outcome: 'ok', policy: [{ decision: 'would_block' }] })
  })
})

describe('decisions that must not count', () => {
  test.each<[string, (good: string) => string]>([
    ['cut', good => good.slice(0, -2)],
    ['emptied', () => ''],
    ['with every decision taken out', good => good.replace(/"decisions":\[.*\]/u, '"decisions":[]')],
    ['with another action', good => good.replace('"block"', '"observe"')],
  ])('a snapshot that was %s lifts nothing and is told', async (_, change) => {
    await lab.decide(blocked)
    const client = await talk('v1', guarded())
    expect(await call(client)).toContain('ACCESS_DENIED')
    const good = await readFile(join(lab.home, 'control.json'), 'utf8')
    await writeSnapshot(lab.home, change(good))
    await expect.poll(() => problems.map(({ code }) => code)).toContain('ACCESS_DENIED')
    expect(await call(client)).toContain('ACCESS_DENIED')
  })

  test('a snapshot from before the block lifts nothing', async () => {
    await lab.decide({ ...blocked, value: 'somebody else' })
    const early = await readFile(join(lab.home, 'control.json'), 'utf8')
    await lab.decide(blocked)
    const client = await talk('v1', guarded())
    expect(await call(client)).toContain('ACCESS_DENIED')
    await writeSnapshot(lab.home, early)
    await sleep(250)
    expect(await call(client)).toContain('ACCESS_DENIED')
  })

  test('a snapshot of another installation blocks nobody', async () => {
    await using other = await openLab()
    await other.decide(blocked)
    await writeSnapshot(lab.home, await readFile(join(other.home, 'control.json'), 'utf8'))
    const client = await talk('v1', guarded())
    expect(await call(client)).toContain('hello')
    expect(problems.map(({ code }) => code)).toContain('ACCESS_DENIED')
  })

  test('what is in force stays so when the file is gone', async () => {
    await lab.decide(blocked)
    const client = await talk('v1', guarded())
    await rm(join(lab.home, 'control.json'))
    await sleep(250)
    expect(await call(client)).toContain('ACCESS_DENIED')
  })

  test('what has expired is over without anybody lifting it', async () => {
    await lab.decide({ ...blocked, lifeMs: 300 })
    const client = await talk('v1', guarded())
    await until(async () => (await call(client)).includes('hello'))
  })

  test('without the right keys a guard that was asked for on Kafka does not start', () => {
    const options = guarded({}, { bus: 'kafka://127.0.0.1:9', home: join(lab.home, 'empty') })
    expect(() => attach(serverV1(), options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })

  test('a guard before a client is refused loudly', () => {
    expect(() => tap(new MemoryV2(), guarded({}, { role: 'client' }))).toThrow('stands before servers')
  })
})

test('requests in disguise are refused too, and other traffic passes', async () => {
  await lab.decide({ ...blocked, value: 'anonymous' })
  const [near, far] = MemoryV1.createLinkedPair()
  const reached: unknown[] = []
  const answers: unknown[] = []
  Object.assign(far, { onmessage: (message: unknown) => reached.push(message) })
  Object.assign(near, { onmessage: (message: unknown) => answers.push(message) })
  tap(far, guarded())
  await far.start()
  await near.start()
  const send = async (message: object): Promise<void> => near.send(JSON.parse(JSON.stringify(message)))
  await send({ jsonrpc: '2.0', method: 'tools/call', params: { name: 'echo' } })
  await send({ jsonrpc: '2.0', id: null, method: 'tools/call', params: { name: 'echo' } })
  await send({ jsonrpc: '1.0', id: 5, method: 'tools/call', params: { name: 'echo' } })
  expect(reached).toEqual([])
  expect(answers).toMatchObject([{ id: null }, { id: 5 }])
  await send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 9 } })
  await send({ jsonrpc: '2.0', id: 6, method: 'ping' })
  await send({ jsonrpc: '2.0', id: 'of-the-server', result: {} })
  expect(reached).toHaveLength(3)
})

test('of an id that is used twice, each request keeps its own end', async () => {
  const [near, far] = MemoryV1.createLinkedPair()
  Object.assign(far, { onmessage: () => undefined })
  tap(far, guarded())
  await far.start()
  await near.start()
  const request = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo' } } as const
  await near.send(request)
  await lab.decide({ ...blocked, value: 'anonymous' })
  await sleep(250)
  await near.send(request)
  await far.send({ jsonrpc: '2.0', id: 1, result: { content: [] } })
  const outcomes = (await end()).flatMap(({ observation }) => observation.outcome ?? [])
  expect(outcomes).toEqual(['denied', 'ok'])
})

test('over HTTP in the modern era a verified principal is refused, by whatever client', async () => {
  await lab.decide({ ...blocked, value: 'user-9' })
  const options = guarded()
  const handler = createMcpHandler(() => attach(serverV2(), options))
  const authInfo = { token: 'tok-made-up-1', clientId: 'app-7', scopes: [], extra: { sub: 'user-9' } }
  const fetch = async (input: string | URL, init?: RequestInit): Promise<Response> =>
    await handler.fetch(new Request(input, init), { authInfo })
  const modern = newClientV2({ versionNegotiation: { mode: 'auto' } })
  const url = new URL('http://127.0.0.1/mcp')
  const client = await talkV2(modern, new StreamableHTTPClientTransport(url, { fetch }))
  expect(await call(client)).toContain('ACCESS_DENIED')
  await client.close()
  expect((await end()).map(story)).toContain('call tools/call echo denied ACCESS_DENIED')
})
