import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { CallToolRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { once } from 'node:events'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server as HttpServer } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { requestMatcher } from '../src/delivery/patterns.ts'
import { recordRequestsFirst } from '../src/delivery/record-first.ts'
import type { Subject, Verdict } from '../src/guard/index.ts'
import { hostOf } from '../src/host.ts'
import { attach, type AttachOptions, type Problem } from '../src/index.ts'
import { readSettings } from '../src/main-env.ts'
import { startProxy, type Proxy } from '../src/proxy.ts'
import { newClientV1, talkV1, type Talk } from './conversation.ts'
import { lyingIn, openLab, story, type Lab } from './support.ts'

describe('what fails closed', () => {
  test.each([
    ['*', 'initialize', undefined, true],
    ['delete_*', 'tools/call', 'delete_all', true],
    ['delete_*', 'tools/call', 'undelete_all', false],
    ['delete_*', 'prompts/get', 'delete_all', false],
    ['*_file', 'tools/call', 'read_file', true],
    ['*_file', 'tools/call', '_files', false],
    ['a*b*c', 'tools/call', 'a-b-b-c', true],
    ['a*b*c', 'tools/call', 'a-c-b', false],
    ['a*a', 'tools/call', 'a', false],
    ['send', 'tools/call', 'send', true],
    ['send', 'tools/call', 'Send', false],
    ['tools/call', 'tools/call', 'anything', true],
    ['tools/*', 'tools/list', undefined, true],
    ['resources/read:file:///etc/*', 'resources/read', 'file:///etc/passwd', true],
    ['resources/read:file:///etc/*', 'resources/read', 'file:///home/x', false],
    ['tools/call:a/b', 'tools/call', 'a/b', true],
  ])('by %s, %s of %s: %s', (...[pattern, method, target, isMeant]) => {
    expect(requestMatcher(['nothing-else', pattern])(method, target)).toBe(isMeant)
  })

  test.each([[''], ['a b'], ['x'.repeat(600)]])('is not said by %j', pattern => {
    expect(() => requestMatcher([pattern])).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })

  test('does not take long to find out, whatever the pattern', () => {
    const matches = requestMatcher([`${'a*'.repeat(200)}b`])
    expect(matches('tools/call', 'a'.repeat(4000))).toBe(false)
  })
})

const subject: Subject = { tenant: 'default', method: 'tools/call', target: 'send' }
const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'send' } }

interface Part {
  readonly ask: (arrivedMs?: number) => Promise<Verdict | undefined> | Verdict | undefined
  readonly durable: (() => void)[]
}

function part(isRoom = true): Part {
  const durable: (() => void)[] = []
  const recordFirst = (): Promise<void> | undefined =>
    isRoom ? new Promise<void>(resolve => durable.push(resolve)) : undefined
  const settings = readSettings({ home: '/nowhere', onProblem: () => undefined }, {})
  const { request } = recordRequestsFirst({ failClosed: ['*'], deadlineMs: 20 }).open({
    settings,
    follow: () => undefined,
    recordFirst,
  })
  return { durable, ask: arrivedMs => request?.({ ...subject, arrivedMs }, message) }
}

const isRefused = expect.objectContaining({ refusal: expect.objectContaining({ code: 'SERVICE_ERROR' }) })

describe('a request that must be recorded first', () => {
  test('passes once its record is durable', async () => {
    const { ask, durable } = part()
    const verdict = ask()
    durable[0]?.()
    expect(await verdict).toBeUndefined()
  })

  test('is refused at its deadline; those after it at once, until something becomes durable again', async () => {
    const { ask, durable } = part()
    expect(await ask()).toEqual(isRefused)
    expect(ask()).toEqual(isRefused)
    expect(durable).toHaveLength(1)
    durable[0]?.()
    await Promise.resolve()
    await Promise.resolve()
    const verdict = ask()
    durable[1]?.()
    expect(await verdict).toBeUndefined()
  })

  test('is refused at once where it has waited its time behind others, or its record was lost', () => {
    expect(part().ask(performance.now() - 21)).toEqual(isRefused)
    expect(part(false).ask()).toEqual(isRefused)
  })
})

let lab: Lab
let problems: Problem[] = []
let seenByServer: string[] = []
/** What is recorded on the disk at the moment at which the server is asked. */
let recordedThen: string[][] = []
beforeEach(async () => {
  lab = await openLab()
  problems = []
  seenByServer = []
  recordedThen = []
})
afterEach(async () => {
  await hostOf(readSettings({ home: lab.home })).close(2000)
  await lab[Symbol.asyncDispose]()
})

async function talk(options: AttachOptions): Promise<Talk> {
  const server = new Server({ name: 'sample', version: '1' }, { capabilities: { tools: {} } })
  server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
    seenByServer.push(params.name)
    recordedThen.push((await lyingIn(lab)).map(story))
    return { content: [] }
  })
  const [near, far] = InMemoryTransport.createLinkedPair()
  const more = { home: lab.home, onProblem: (one: Problem) => void problems.push(one) }
  await attach(server, { ...more, ...options }).connect(far)
  return await talkV1(newClientV1(), near)
}

async function told(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'ok',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
}

describe('a server whose requests fail closed', () => {
  test('sees one only after it is safe on the disk, and each has one end of its own', async () => {
    const client = await talk({ delivery: { failClosed: ['send'], deadlineMs: 9000 } })
    await client.call('send', { to: 'bob' })
    await client.call('other')
    expect(recordedThen[0]).toContain('begun tools/call send')
    expect(recordedThen[1]?.filter(line => line.startsWith('begun'))).toHaveLength(1)
    await client.close()
    await hostOf(readSettings({ home: lab.home })).close(2000)
    const all = await lab.collect()
    const stories = all.map(story)
    expect(stories).toEqual(
      expect.arrayContaining([
        'begun tools/call send',
        'call tools/call send ok',
        'call tools/call other ok',
      ]),
    )
    const [begun, ended] = ['begun', 'call'].map(kind =>
      all.find(one => one.observation.kind === kind && one.observation.target === 'send'),
    )
    expect(begun?.request?.toString()).toContain('bob')
    expect(begun?.observation).toMatchObject({
      channel_id: ended?.observation.channel_id,
      rpc_id: ended?.observation.rpc_id,
      transport: 'in_memory',
    })
  })

  test('is asked nothing that cannot be recorded; others go on, and each refusal is recorded when that works again', async () => {
    await rm(join(lab.home, 'spool'), { recursive: true, force: true, maxRetries: 10 })
    await writeFile(join(lab.home, 'spool'), 'in the way')
    const client = await talk({ delivery: { failClosed: ['send'], deadlineMs: 200 } })
    expect(await told(client.call('other'))).toBe('ok')
    const calls = Array.from({ length: 20 }, () => told(client.call('send')))
    for (const outcome of await Promise.all(calls)) expect(outcome).toContain('SERVICE_ERROR')
    expect(seenByServer).toEqual(['other'])
    await rm(join(lab.home, 'spool'))
    await mkdir(join(lab.home, 'spool'))
    await expect.poll(() => told(client.call('send')), { timeout: 10_000 }).toBe('ok')
    await client.close()
    await hostOf(readSettings({ home: lab.home })).close(2000)
    const stories = (await lab.collect()).map(story)
    const denied = stories.filter(line => line === 'call tools/call send denied SERVICE_ERROR')
    expect(denied.length).toBeGreaterThanOrEqual(20)
    expect(stories.filter(line => line === 'call tools/call send ok')).toHaveLength(1)
    expect(seenByServer).toEqual(['other', 'send'])
    expect(problems.map(({ code }) => code)).toContain('DISK_UNUSABLE')
  })

  test('gets its requests in the order in which they came', async () => {
    const client = await talk({ delivery: { failClosed: ['a*'], deadlineMs: 9000 } })
    const names = ['a1', 'b1', 'a2', 'b2', 'b3', 'a3']
    await Promise.all(names.map(name => client.call(name)))
    expect(seenByServer).toEqual(names)
    await client.close()
  })

  test('has its own end recorded even where the client does not wait for it', async () => {
    const client = await talk({ delivery: { failClosed: ['*'], deadlineMs: 9000 } })
    await client.call('send')
    await client.close()
    expect((await readdir(join(lab.home, 'spool'))).length).toBe(1)
    expect((await lyingIn(lab)).map(story)).toContain('begun tools/call send')
  })
})

describe('failing closed', () => {
  const environment = { MUNIMENT_HOME: '/nowhere', MUNIMENT_FAIL_CLOSED: 'send, resources/read' }

  test('is asked for by the environment, and by options first', () => {
    const both = { failClosed: ['send', 'resources/read'], deadlineMs: 2000 }
    expect(readSettings({}, environment).delivery).toEqual(both)
    expect(readSettings({ delivery: 'fail-open' }, environment).delivery).toBeUndefined()
    expect(readSettings({ delivery: 'fail-closed' }, environment).delivery).toMatchObject({
      failClosed: ['*'],
    })
    expect(readSettings({}, {}).delivery).toBeUndefined()
  })

  test.each([
    ['a deadline beyond any patience', { delivery: { failClosed: ['*'], deadlineMs: 60_000 } }],
    ['a deadline that is none', { delivery: { failClosed: ['*'], deadlineMs: Number.NaN } }],
    ['a pattern that means nothing', { delivery: { failClosed: ['two words'] } }],
  ])('does not start with %s', (_, options) => {
    expect(() => readSettings(options, {})).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })
})

describe('a server behind a proxy that fails closed', () => {
  let upstream: HttpServer
  let proxy: Proxy
  let start: (deadlineMs: number) => Promise<Proxy>
  let answers: string[][] = []
  beforeEach(async () => {
    answers = []
    upstream = createServer((request, response) => {
      request.resume()
      void lyingIn(lab).then(seen => {
        answers.push(seen.map(story))
        response.writeHead(200, { 'Content-Type': 'application/json' })
        return response.end('{"jsonrpc":"2.0","id":1,"result":{}}')
      })
    })
    await once(upstream.listen(0, '127.0.0.1'), 'listening')
    const address = upstream.address()
    const port = typeof address === 'object' ? address?.port : 0
    start = deadlineMs =>
      startProxy({
        home: lab.home,
        onProblem: () => undefined,
        delivery: { failClosed: ['send'], deadlineMs },
        routes: [
          { upstream: new URL(`http://127.0.0.1:${port}/mcp`) },
          { path: '/open', upstream: new URL(`http://127.0.0.1:${port}/mcp`), delivery: 'fail-open' },
          {
            path: '/other',
            upstream: new URL(`http://127.0.0.1:${port}/mcp`),
            delivery: { failClosed: ['other'], deadlineMs },
          },
        ],
      })
  })
  afterEach(async () => {
    await proxy.close(1000)
    upstream.closeAllConnections()
    upstream.close()
  })

  async function post(name: string, path = '/mcp'): Promise<string> {
    const response = await fetch(new URL(path, proxy.url), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } }),
    })
    return await response.text()
  }

  test('sees a request only after it is safe on the disk, and its two events name one call', async () => {
    proxy = await start(9000)
    expect(await post('send')).toContain('result')
    expect(answers[0]).toContain('begun tools/call send')
    await proxy.close(1000)
    const both = (await lab.collect()).filter(({ observation }) => observation.target === 'send')
    expect(both.map(story)).toEqual(['begun tools/call send', 'call tools/call send ok'])
    expect(both[0]?.observation.transport).toBe('http')
    expect(both[0]?.observation.channel_id).toBe(both[1]?.observation.channel_id)
  })

  test('is asked nothing that cannot be recorded, and everything else', async () => {
    await rm(join(lab.home, 'spool'), { recursive: true, force: true, maxRetries: 10 })
    await writeFile(join(lab.home, 'spool'), 'in the way')
    proxy = await start(60)
    expect(await post('send')).toContain('SERVICE_ERROR')
    expect(await post('other')).toContain('result')
    expect(answers).toHaveLength(1)
    await rm(join(lab.home, 'spool'))
  })

  test('may be one of several, each with requests of its own that must be recorded', async () => {
    await rm(join(lab.home, 'spool'), { recursive: true, force: true, maxRetries: 10 })
    await writeFile(join(lab.home, 'spool'), 'in the way')
    proxy = await start(60)
    const outcomes: string[] = []
    for (const path of ['/mcp', '/open', '/other'])
      for (const name of ['send', 'other'])
        outcomes.push(`${path} ${name} ${(await post(name, path)).includes('result') ? 'passes' : 'refused'}`)
    expect(outcomes).toEqual([
      '/mcp send refused',
      '/mcp other passes',
      '/open send passes',
      '/open other passes',
      '/other send passes',
      '/other other refused',
    ])
    expect(answers).toHaveLength(4)
    await rm(join(lab.home, 'spool'))
  })

  test('does not start with a route whose requests cannot be meant', async () => {
    proxy = await start(60)
    const route = { upstream: new URL('http://127.0.0.1:1/'), delivery: { failClosed: ['two words'] } }
    await expect(startProxy({ home: lab.home, routes: [route] })).rejects.toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    )
  })
})
