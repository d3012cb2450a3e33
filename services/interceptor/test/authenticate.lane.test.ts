import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import {
  apiKeys,
  createApiKeyAdmin,
  createAuthenticator,
  createSessions,
  oauth,
  openMemoryShelf,
  type ApiKeyShelves,
} from '@muniment/auth'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { authenticate } from '../src/guard/index.ts'
import { startProxy, type Proxy, type ProxyOptions } from '../src/proxy.ts'
import { call, listen, post, type Listening } from './http-lab.ts'
import { modernServer, sessions, type Serve } from './http-servers.ts'
import { openLab, type Lab, type Seen } from './support.ts'

const issuer = 'http://127.0.0.1:9'
const [readable, writable] = ['https://mcp.example.com/files', 'https://mcp.example.com/notes']

let lab: Lab
let upstream: Listening
let proxy: Proxy
let shelves: ApiKeyShelves
let serve: Serve
let seen: IncomingHttpHeaders[] = []

async function newKey(): Promise<string> {
  const admin = createApiKeyAdmin({ ...shelves, now: Date.now, randomBytes })
  return (await admin.create({ name: 'ci', tenant: 'default', scopes: ['mcp:read'] })).key
}

async function front(options: Partial<ProxyOptions> = {}): Promise<URL> {
  const methods = [
    oauth({ issuer, resources: [readable, writable], scopes: ['mcp:read'] }),
    apiKeys({ ...shelves, now: Date.now }),
  ]
  proxy = await startProxy({
    home: lab.home,
    onProblem: () => undefined,
    routes: [{ path: '/files', upstream: upstream.url }],
    guard: authenticate(createAuthenticator({ methods, failures: { free: 3 } }), {
      sessions: createSessions({ now: Date.now }),
    }),
    ...options,
  })
  return new URL('/files', proxy.url)
}

async function recorded(): Promise<Seen[]> {
  await proxy.close(2000)
  return (await lab.collect()).filter(({ observation: { kind } }) => kind !== 'heartbeat')
}

beforeEach(async () => {
  lab = await openLab()
  seen = []
  serve = modernServer()
  shelves = { keys: openMemoryShelf(), uses: openMemoryShelf() }
  upstream = await listen((request, response) => {
    seen.push(request.headers)
    return serve(request, response)
  })
})
afterEach(async () => {
  await proxy.close(0)
  await upstream[Symbol.asyncDispose]()
  await lab[Symbol.asyncDispose]()
})

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

describe('in front of a server', () => {
  test('who has no credential gets the challenge, finds the metadata, and is recorded as denied, once', async () => {
    const url = await front()
    const response = await fetch(url, post(call))
    expect(response.status).toBe(401)
    const metadata = 'https://mcp.example.com/.well-known/oauth-protected-resource/files'
    expect(response.headers.get('www-authenticate')).toBe(
      `Bearer resource_metadata="${metadata}", scope="mcp:read"`,
    )
    expect(await response.json()).toMatchObject({ error: { message: 'AUTH_FAILED' } })
    const document = await fetch(new URL('/.well-known/oauth-protected-resource/files', url))
    expect(await document.json()).toMatchObject({ resource: readable, authorization_servers: [issuer] })
    expect(seen).toEqual([])
    const events = (await recorded()).filter(({ observation }) => observation.outcome === 'denied')
    expect(events.map(({ observation: { policy } }) => policy)).toEqual([
      [{ name: 'authenticate', decision: 'refuse', reason: 'no_credential' }],
    ])
  })

  test.each([
    ['Authorization', (key: string) => ({ authorization: `Bearer ${key}`, 'x-other': 'kept' })],
    ['X-API-Key', (key: string) => ({ 'x-api-key': key, 'x-other': 'kept' })],
  ])('a key in %s names the principal of the call, and ends at the proxy', async (_, headers) => {
    serve = sessions()
    const key = await newKey()
    const url = await front()
    const client = new Client({ name: 'visitor', version: '1.0' })
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: headers(key) } }))
    await client.callTool({ name: 'echo', arguments: { text: 'hi' } })
    await client.close()
    expect(seen.length).toBeGreaterThan(1)
    for (const each of seen) {
      expect(each).toMatchObject({ 'x-other': 'kept' })
      expect(each).not.toHaveProperty('authorization')
      expect(each).not.toHaveProperty('x-api-key')
    }
    const events = await recorded()
    const calls = events.filter(({ observation: { method } }) => method === 'tools/call')
    expect(calls.map(({ observation: { principal, policy } }) => ({ principal, policy }))).toEqual([
      {
        principal: { id: 'ci', client_id: key.slice(4, 20), scopes: ['mcp:read'], method: 'api_key' },
        policy: [{ name: 'authenticate', decision: 'accept', reason: 'api_key' }],
      },
    ])
    const texts = events.map(({ observation, request, response }) =>
      [JSON.stringify(observation), request?.toString(), response?.toString()].join(''),
    )
    for (const text of texts) expect(text).not.toContain(key.slice(-43))
  })

  test('a session in the hands of another caller, or after its end, does not exist', async () => {
    const url = await front()
    const [mine, theirs] = [await newKey(), await newKey()]
    const use = async (key: string, method = 'POST'): Promise<number> => {
      const headers = { 'x-api-key': key, 'mcp-session-id': 's1' }
      return (await fetch(url, { ...post(call, headers), method })).status
    }
    await use(mine)
    const before = seen.length
    expect(await use(theirs)).toBe(404)
    await use(mine, 'DELETE')
    expect(await use(mine)).toBe(404)
    expect(seen.length).toBe(before + 1)
  })

  test('a credential for the server behind it, which is none of ours, is passed on', async () => {
    const key = await newKey()
    const url = await front()
    await fetch(url, post(call, { 'x-api-key': key, authorization: 'Basic dXBzdHJlYW06cw==' }))
    expect(seen).toMatchObject([{ authorization: 'Basic dXBzdHJlYW06cw==' }])
    expect(seen[0]).not.toHaveProperty('x-api-key')
  })

  test.each(['GET', 'DELETE', 'PUT'])('no method gets around it: %s', async method => {
    const url = await front()
    for (const path of [
      '/files',
      '/files/',
      '/files/deeper',
      '/files?x=/.well-known/oauth-protected-resource',
    ])
      expect((await fetch(new URL(path, url), { method })).status).toBe(401)
    expect(seen).toEqual([])
  })

  test('who guesses is slowed, with the time to wait', async () => {
    const url = await front()
    const guess = (): Promise<Response> =>
      fetch(
        url,
        post(call, {
          'x-api-key': `mun_${randomBytes(8).toString('hex')}_${randomBytes(32).toString('base64url')}`,
        }),
      )
    const statuses: number[] = []
    for (let attempt = 0; attempt < 4; attempt++) statuses.push((await guess()).status)
    expect(statuses).toEqual([401, 401, 401, 429])
    expect(Number((await guess()).headers.get('retry-after'))).toBeGreaterThan(0)
    expect(seen).toEqual([])
  })

  test('an issuer that is away lets nobody in', async () => {
    const url = await front()
    const token = `${part({ alg: 'ES256', typ: 'at+jwt', kid: 'k' })}.${part({ iss: issuer })}.c2ln`
    const response = await fetch(url, post(call, { authorization: `Bearer ${token}` }))
    expect(response.status).toBe(503)
    expect(await response.text()).not.toContain(issuer)
    expect(seen).toEqual([])
  })
})
