// The Interceptor Host, asked by the official clients of both lines, over both transports.
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { createMasker } from '@muniment/pii'
import type { Told } from '@muniment/interceptor/auditor'
import { request } from 'node:http'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { listenHttp, type Listening } from '../src/interceptor-host/http.ts'
import type { Tools } from '../src/interceptor-host/invoke.ts'
import { createInterceptorHost } from '../src/interceptor-host/server.ts'

const anything = z.looseObject({})
type Ask = (method: string, params?: Record<string, unknown>) => Promise<Record<string, unknown>>

let told: Told[] = []
let nowMs = 0
let stepMs = 0
let open: AsyncDisposableStack
let host: Listening
let breakMask = false
beforeEach(async () => {
  told = []
  stepMs = 0
  breakMask = false
  open = new AsyncDisposableStack()
  const masker = createMasker()
  const tools: Tools = {
    masker: {
      ...masker,
      mask: text => {
        if (breakMask) throw new Error(`cannot mask ${text}`)
        return masker.mask(text)
      },
    },
    auditor: { record: one => void told.push(one), close: async () => undefined },
    nowMs: () => (nowMs += stepMs),
  }
  host = open.use(await listenHttp(() => createInterceptorHost(tools, '1.2.3'), 0))
})
afterEach(() => open.disposeAsync())

async function askV1(): Promise<Ask> {
  const client = new ClientV1({ name: 'gateway', version: '1' })
  await client.connect(new HttpV1(new URL(host.url)))
  open.defer(() => client.close())
  return (method, params) => client.request({ method, params }, anything)
}

async function askV2(mode: 'auto' | 'legacy'): Promise<Ask> {
  const client = new ClientV2({ name: 'gateway', version: '1' }, { versionNegotiation: { mode } })
  await client.connect(new HttpV2(new URL(host.url)))
  open.defer(() => client.close())
  return (method, params) => client.request({ method, params }, anything)
}

const clients: readonly (readonly [string, () => Promise<Ask>])[] = [
  ['of version 1', askV1],
  ['of version 2, in the legacy era', () => askV2('legacy')],
  ['of version 2, in the modern era', () => askV2('auto')],
]

const call = {
  method: 'tools/call',
  params: { name: 'send', arguments: { to: 'ada@example.com', note: 'as agreed' } },
}

describe.each(clients)('a client %s', (_, connect) => {
  test('learns which interceptors there are, in the words of either version of the draft', async () => {
    const ask = await connect()
    const { interceptors } = await ask('interceptors/list')
    const both = [
      { events: expect.arrayContaining(['tools/call']), phase: 'request' },
      { events: expect.arrayContaining(['tools/call']), phase: 'response' },
    ]
    expect(interceptors).toEqual([
      expect.objectContaining({
        name: 'muniment-mask',
        type: 'mutation',
        version: '1.2.3',
        failOpen: false,
        hook: { events: expect.arrayContaining(['tools/call']), phase: 'both' },
        hooks: both,
      }),
      expect.objectContaining({ name: 'muniment-audit', type: 'validation', mode: 'audit', failOpen: true }),
    ])
    expect(JSON.stringify(await ask('interceptors/list', { event: 'roots/list' }))).not.toContain(
      'muniment-mask',
    )
  })

  test('has personal data masked, both ways, and everything else left alone', async () => {
    const ask = await connect()
    const asked = { name: 'muniment-mask', event: 'tools/call' }
    const sent = await ask('interceptor/invoke', { ...asked, phase: 'request', payload: call })
    expect(sent).toMatchObject({
      interceptor: 'muniment-mask',
      type: 'mutation',
      phase: 'request',
      modified: true,
      payload: {
        method: 'tools/call',
        params: { name: 'send', arguments: { to: '[EMAIL]', note: 'as agreed' } },
      },
      info: { findings: [expect.objectContaining({ type: 'EMAIL', count: 1 })] },
    })
    expect(JSON.stringify(sent)).not.toContain('ada@')
    const payload = { content: [{ type: 'text', text: 'call +49 30 901820' }], structuredContent: { n: 1.5 } }
    const back = await ask('interceptor/invoke', { ...asked, phase: 'response', payload })
    expect(back).toMatchObject({ modified: true, payload: { structuredContent: { n: 1.5 } } })
    const plain = await ask('interceptor/invoke', { ...asked, phase: 'response', payload: { content: [] } })
    expect(plain).toMatchObject({ modified: false, payload: { content: [] } })
  })

  test('has what it shows recorded, and never objected to', async () => {
    const ask = await connect()
    const context = { principal: { type: 'user', id: 'ada' }, timestamp: '2026-11-30T00:00:00Z' }
    for (const phase of ['request', 'response'])
      expect(
        await ask('interceptor/invoke', {
          name: 'muniment-audit',
          event: 'tools/call',
          phase,
          payload: call,
          context,
        }),
      ).toMatchObject({ type: 'validation', valid: true, severity: 'info' })
    expect(told).toEqual([
      { method: 'tools/call', direction: 'client_to_server', payload: call, saidBy: 'ada' },
      { method: 'tools/call', direction: 'server_to_client', payload: call, saidBy: 'ada' },
    ])
  })
})

test('what stands where a call goes is not masked, though it looks like personal data', async () => {
  const ask = await askV1()
  const payload = {
    method: 'tools/call',
    params: { name: 'ada@example.com', arguments: { to: 'bob@example.com' } },
  }
  const asked = { name: 'muniment-mask', event: 'tools/call', phase: 'request', payload }
  expect(await ask('interceptor/invoke', asked)).toMatchObject({
    payload: { params: { name: 'ada@example.com', arguments: { to: '[EMAIL]' } } },
  })
})

describe('what cannot be done is an error, so that who invoked it blocks the message', () => {
  const asked = { name: 'muniment-mask', event: 'tools/call', phase: 'request', payload: call }
  test.each<[string, Record<string, unknown>, number]>([
    ['an interceptor that there is not', { name: 'other' }, -32_602],
    ['an event that it is not for', { event: 'roots/list' }, -32_602],
    ['a phase that there is not', { phase: 'both' }, -32_602],
    ['a configuration that nobody would follow', { config: { patterns: ['x'] } }, -32_602],
  ])('%s', async (...[, change, code]) => {
    const ask = await askV1()
    await expect(ask('interceptor/invoke', { ...asked, ...change })).rejects.toMatchObject({ code })
  })

  test('a masker that fails, of which the answer says nothing that was in the message', async () => {
    breakMask = true
    const ask = await askV1()
    const error: unknown = await ask('interceptor/invoke', asked).catch((one: unknown) => one)
    expect(error).toMatchObject({ code: -32_603, data: { interceptor: 'muniment-mask' } })
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('ada@')
  })

  test('one that took longer than it was given', async () => {
    stepMs = 100
    const ask = await askV1()
    await expect(ask('interceptor/invoke', { ...asked, timeoutMs: 50 })).rejects.toMatchObject({
      code: -32_000,
    })
    expect(await ask('interceptor/invoke', { ...asked, timeoutMs: 500 })).toMatchObject({ modified: true })
  })
})

test.each<[string, string, Record<string, string>, number]>([
  ['a name that was made to lead here', '/mcp', { host: 'evil.example' }, 403],
  ['a page of elsewhere', '/mcp', { origin: 'https://evil.example' }, 403],
  ['another path', '/other', {}, 404],
])('over HTTP %s is refused', async (...[, path, headers, status]) => {
  const asked = request(new URL(path, host.url), { method: 'POST', headers })
  asked.end('{}')
  const [response] = await once(asked, 'response')
  response.resume()
  expect(response.statusCode).toBe(status)
})

test('as a program over stdio it masks, records sealed under its home, and ends with its client', async () => {
  const home = await mkdtemp(join(tmpdir(), 'muniment-host-'))
  open.defer(() => rm(home, { recursive: true, force: true, maxRetries: 10 }))
  const muniment = fileURLToPath(import.meta.resolve('../bin/muniment.mjs'))
  const client = new ClientV2({ name: 'gateway', version: '1' })
  const env = { MUNIMENT_HOME: home, PATH: '' }
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [muniment, 'interceptors'],
      env,
      stderr: 'ignore',
    }),
  )
  const invoke = (name: string): Promise<unknown> =>
    client.request(
      {
        method: 'interceptor/invoke',
        params: { name, event: 'tools/call', phase: 'request', payload: call },
      },
      anything,
    )
  expect(JSON.stringify(await invoke('muniment-mask'))).toContain('[EMAIL]')
  expect(await invoke('muniment-audit')).toMatchObject({ valid: true })
  await client.close()
  await expect.poll(() => readdir(join(home, 'spool')).catch(() => []), { timeout: 20_000 }).not.toEqual([])
})
