import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer as createSecureServer, request as secureRequest } from 'node:https'
import { join } from 'node:path'
import { json, text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startProxy, type Proxy, type ProxyOptions } from '../src/proxy.ts'
import { call, dial, listen, ping, post, talkRaw, type Listening } from './http-lab.ts'
import { openLab, story, type Lab } from './support.ts'

let lab: Lab
let upstream: Listening
let proxy: Proxy
/** Request lines that reached the upstream. */
let reached: string[]
let challenge = ''

async function front(options: Partial<ProxyOptions> = {}): Promise<URL> {
  proxy = await startProxy({ home: lab.home, routes: [{ upstream: upstream.url }], ...options })
  return new URL('/mcp', proxy.url)
}

async function stories(): Promise<string[]> {
  await proxy.close(2000)
  return (await lab.collect()).map(story).filter(one => !one.startsWith('heartbeat'))
}

beforeEach(async () => {
  lab = await openLab()
  reached = []
  challenge = ''
  upstream = await listen(async (request, response) => {
    reached.push(`${request.method} ${request.url}`)
    await text(request)
    const origin = `http://${request.headers.host}`
    if (challenge !== '') response.setHeader('WWW-Authenticate', challenge.replace('ORIGIN', origin))
    response.setHeader('Access-Control-Allow-Origin', '*')
    response.writeHead(challenge === '' ? 200 : 401, { 'Content-Type': 'application/json' })
    const isMetadata = request.url?.startsWith('/.well-known/oauth-protected-resource') === true
    const metadata = { resource: `${origin}/mcp`, authorization_servers: ['https://id.example'] }
    response.end(JSON.stringify(isMetadata ? metadata : { jsonrpc: '2.0', id: 1, result: {} }))
  })
})
afterEach(async () => {
  await proxy.close(0)
  await upstream[Symbol.asyncDispose]()
  await lab[Symbol.asyncDispose]()
})

describe('what could be read in two ways', () => {
  const host = 'Host: localhost'
  const second = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'
  test.each([
    [
      'two lengths',
      `POST /mcp HTTP/1.1\r\n${host}\r\nContent-Length: 0\r\nContent-Length: 60\r\n\r\n${second}`,
    ],
    [
      'a length and chunks',
      `POST /mcp HTTP/1.1\r\n${host}\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${second}`,
    ],
    [
      'an encoding that is not the last',
      `POST /mcp HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${second}`,
    ],
    ['a space before a colon', `POST /mcp HTTP/1.1\r\n${host}\r\nContent-Length : 60\r\n\r\n${second}`],
    ['a folded field', `GET /mcp HTTP/1.1\r\n${host}\r\nX-A: b\r\n Content-Length: 60\r\n\r\n${second}`],
    ['a length that is no number', `POST /mcp HTTP/1.1\r\n${host}\r\nContent-Length: +60\r\n\r\n${second}`],
    [
      'a bad chunk size',
      `POST /mcp HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n${second}`,
    ],
    ['no host', 'GET /mcp HTTP/1.1\r\n\r\n'],
    ['two hosts', `GET /mcp HTTP/1.1\r\n${host}\r\nHost: evil.example\r\n\r\n`],
    [
      'a target that is a whole URL',
      `GET http://127.0.0.1:1/mcp HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`,
    ],
    ['a path that climbs', `GET /mcp/../admin HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`],
    [
      'a path that climbs in disguise',
      `GET /mcp/%2E%2e%2fadmin HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`,
    ],
  ])('%s is refused, and nothing behind it gets through', async (_what, bytes) => {
    const url = await front()
    const answer = await talkRaw(Number(url.port), bytes)
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /u)
    expect(reached.filter(line => /smuggled|admin|127\.0\.0\.1:1/u.test(line))).toEqual([])
  })

  test('a request that Node refuses to read is one record', async () => {
    const url = await front()
    await talkRaw(Number(url.port), 'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n')
    expect(await stories()).toEqual(['rejected http_400'])
  })
})

describe('a page that was led here', () => {
  test.each<[string, Record<string, string>, number]>([
    ['by its own name', { host: 'evil.example' }, 403],
    ['with its origin', { origin: 'http://evil.example' }, 403],
    ['without an origin that can be read', { origin: 'null' }, 403],
    ['from this machine', { origin: 'http://localhost:6274' }, 200],
    ['by a loopback name', { host: 'localhost:1' }, 200],
  ])('%s', async (_how, fields, status) => {
    const url = await front()
    const lines = Object.entries({ host: 'localhost', ...fields }).map(([name, value]) => `${name}: ${value}`)
    const body = JSON.stringify(ping)
    const answer = await talkRaw(
      Number(url.port),
      `POST /mcp HTTP/1.1\r\n${lines.join('\r\n')}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `, 'u'))
    expect(reached).toHaveLength(status === 200 ? 1 : 0)
    expect(await stories()).toEqual([status === 200 ? 'call ping ok' : 'rejected ping denied http_403'])
  })
})

describe('with an allow-list of origins', () => {
  const origin = 'https://app.example.com'

  test('its pages may call and read, others may not', async () => {
    const url = await front({ allowedOrigins: [origin] })
    const asked = await fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'mcp-method',
      },
    })
    expect(asked.status).toBe(204)
    expect(asked.headers.get('access-control-allow-origin')).toBe(origin)
    expect(asked.headers.get('access-control-allow-headers')).toBe('mcp-method')
    const answered = await fetch(url, post(ping, { origin }))
    expect(answered.headers.get('access-control-allow-origin')).toBe(origin)
    expect(answered.headers.get('access-control-expose-headers')).toContain('Mcp-Session-Id')
    const other = await fetch(url, post(ping, { origin: 'https://evil.example' }))
    expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([403, null])
    expect(reached).toEqual(['POST /mcp'])
  })

  test.each(['*', 'https://app.example.com/path', 'app.example.com'])('%s is no origin', async one => {
    await front()
    await expect(
      startProxy({ home: lab.home, routes: [{ upstream: upstream.url }], allowedOrigins: [one] }),
    ).rejects.toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })
})

describe('metadata of the protected resource', () => {
  const path = '/.well-known/oauth-protected-resource'

  test.each<[string, Partial<ProxyOptions>, string, string]>([
    ['passed on with the address of the proxy', {}, `${path}/mcp`, '/mcp'],
    [
      'passed on below the path of its upstream',
      { routes: [{ path: '/files', upstream: new URL('http://unset.example/mcp') }] },
      `${path}/files`,
      '/files',
    ],
    [
      'answered by the proxy itself',
      {
        routes: [
          {
            upstream: new URL('http://unset.example/mcp'),
            resourceMetadata: { authorization_servers: ['https://id.example'] },
          },
        ],
      },
      `${path}/mcp`,
      '/mcp',
    ],
  ])('are %s', async (...[, options, asked, resource]) => {
    const routes = options.routes?.map(route => Object.assign(route, { upstream: upstream.url }))
    const url = await front(routes === undefined ? {} : { routes })
    const response = await fetch(new URL(asked, url))
    expect(await response.json()).toEqual({
      resource: new URL(resource, url).href,
      authorization_servers: ['https://id.example'],
    })
    expect(await stories()).toEqual([])
  })

  test('are where a challenge says', async () => {
    challenge = `Bearer error="invalid_token", resource_metadata="ORIGIN${path}/mcp", scope="a"`
    const url = await front()
    const response = await fetch(url, post(call))
    expect(response.headers.get('www-authenticate')).toBe(
      `Bearer error="invalid_token", resource_metadata="${url.origin}${path}/mcp", scope="a"`,
    )
    expect(await stories()).toEqual(['rejected tools/call echo denied http_401'])
  })
})

describe('limits', () => {
  test('hold for a body that says its length, and for one that does not', async () => {
    const url = await front({ limits: { maxBodyBytes: 1000 } })
    const body = 'x'.repeat(2000)
    expect((await fetch(url, post(body))).status).toBe(413)
    const chunked = await talkRaw(
      Number(url.port),
      `POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n${body}\r\n`,
    )
    expect(chunked).toMatch(/^HTTP\/1\.1 413 /u)
    expect(await stories()).toEqual(['rejected POST /mcp http_413', 'rejected POST /mcp http_413'])
  })

  test('hold for headers', async () => {
    const url = await front({ limits: { maxHeaderBytes: 8192 } })
    const answer = await talkRaw(
      Number(url.port),
      `GET /mcp HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(9000)}\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 431 /u)
    expect(await stories()).toEqual(['rejected http_431'])
  })

  test('hold for clients that take their time', async () => {
    const url = await front({ limits: { headersTimeoutMs: 100, requestTimeoutMs: 100 } })
    const answer = await talkRaw(Number(url.port), 'GET /mcp HTTP/1.1\r\nHost: loc')
    expect(answer).toMatch(/^HTTP\/1\.1 408 /u)
    expect(await stories()).toEqual(['rejected http_408'])
  })

  test('stop a proxy that leads back to itself', async () => {
    const url = await front()
    const back = await startProxy({ home: lab.home, routes: [{ upstream: url }] })
    const loop = await startProxy({ home: lab.home, routes: [{ upstream: new URL('/mcp', back.url) }] })
    const { port } = new URL(loop.url)
    await loop.close(0)
    // The same address again, now at the end of the chain.
    const again = await startProxy({
      home: lab.home,
      port: Number(port),
      routes: [{ upstream: new URL(`http://127.0.0.1:${port}/mcp`) }],
    })
    expect((await fetch(new URL('/mcp', again.url), post(ping))).status).toBe(508)
    await again.close(0)
    await back.close(0)
  })
})

test('health tells whether the upstreams can be reached', async () => {
  const url = await front()
  const health = async (path: string): Promise<number> => (await fetch(new URL(path, url))).status
  expect([await health('/livez'), await health('/readyz')]).toEqual([200, 200])
  await upstream[Symbol.asyncDispose]()
  expect([await health('/livez'), await health('/readyz')]).toEqual([200, 503])
  upstream = await listen(() => undefined)
})

const run = promisify(execFile)
const isOpensslThere = await run('openssl', ['version']).then(
  () => true,
  () => false,
)

interface Pair {
  readonly cert: string
  readonly key: string
}

async function certificate(name: string, subject: string): Promise<Pair> {
  const [key, cert] = [join(lab.home, `${name}.key`), join(lab.home, `${name}.pem`)]
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1,URI:spiffe://example/agent-7']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  await run('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', cert, '-subj', subject, ...names])
  return { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') }
}

describe.skipIf(!isOpensslThere)('over TLS on both sides', () => {
  test('a client is known by its certificate, and one without gets nowhere', async () => {
    const [server, client, inner] = [
      await certificate('server', '/CN=localhost'),
      await certificate('client', '/CN=agent'),
      await certificate('inner', '/CN=localhost'),
    ]
    const secure = createSecureServer(
      { ...inner, ca: client.cert, requestCert: true, rejectUnauthorized: true },
      (_request, response) => response.end('{"jsonrpc":"2.0","id":1,"result":{}}'),
    )
    await using listening = await listen(secure)
    const url = await front({
      tls: { ...server, clientCa: client.cert },
      routes: [{ upstream: new URL(`https://localhost:${listening.port}/mcp`) }],
      upstreamTls: { ca: inner.cert, ...client },
    })
    const ask = (mine: Partial<Pair>): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const options = { method: 'POST', ca: server.cert, ...mine, agent: false } as const
        const request = secureRequest(new URL(url), options, answer => resolve(json(answer)))
        request.on('error', reject)
        request.end(JSON.stringify(ping))
      })
    expect(await ask(client)).toEqual({ jsonrpc: '2.0', id: 1, result: {} })
    await expect(ask({})).rejects.toThrow()
    await proxy.close(2000)
    const seen = (await lab.collect()).filter(({ observation }) => observation.kind !== 'heartbeat')
    expect(seen.map(({ observation }) => observation.principal)).toEqual([
      {
        id: expect.stringMatching(/^(?:localhost|spiffe:\/\/example\/agent-7)$/u),
        method: 'mtls',
        issuer: 'agent',
      },
    ])
  })

  test('an upstream whose certificate nobody vouches for is not spoken to', async () => {
    const inner = await certificate('inner', '/CN=localhost')
    await using listening = await listen(
      createSecureServer(inner, (_request, response) => response.end('{}')),
    )
    const url = await front({ routes: [{ upstream: new URL(`https://localhost:${listening.port}/mcp`) }] })
    expect((await fetch(url, post(ping))).status).toBe(502)
  })
})

test('a connection that is opened and closed without a request is none', async () => {
  const url = await front()
  const socket = await dial(Number(url.port))
  socket.destroy()
  expect(await stories()).toEqual([])
})
