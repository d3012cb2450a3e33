import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createAuthenticator, oauth } from '@muniment/auth'
import { authenticate } from '@muniment/interceptor/guard'
import { startProxy, type Proxy } from '@muniment/interceptor/proxy'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as HttpV2,
  type OAuthDiscoveryState,
} from '@modelcontextprotocol/client'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  startAuthorizationServer,
  type AuthorizationServer,
} from '../../shared/auth/test/authorization-server.ts'
import { sessions } from '../../services/interceptor/test/http-servers.ts'

// Official clients, an authorization server that others wrote, and the proxy between them and a server that knows nothing of tokens.

const redirectUrl = 'http://127.0.0.1:9/callback'

let home = ''
let upstream: { readonly url: URL; readonly close: () => void }
let issuer: AuthorizationServer
let proxy: Proxy
let resource: URL

async function listen(listener: RequestListener): Promise<{ url: URL; close: () => void }> {
  const server = createServer(listener)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const close = (): void => {
    server.closeAllConnections()
    server.close()
  }
  return { url: new URL(`http://127.0.0.1:${port}/mcp`), close }
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'muniment-oauth-'))
  const serve = sessions()
  upstream = await listen((request, response) => void serve(request, response))
  // The address must be known before either side starts: clients are told it, and tokens are made for it.
  const reserved = await listen(() => undefined)
  resource = reserved.url
  reserved.close()
  issuer = await startAuthorizationServer({ [resource.href]: 'mcp:read mcp:write' })
  const method = oauth({
    issuer: issuer.issuer,
    resources: [resource.href],
    scopes: ['mcp:read'],
    cacheMs: 0,
    // Keys are read for each token, so that a rotation shows at once.
    keys: { cooldownMs: 0, maxAgeMs: 0 },
  })
  proxy = await startProxy({
    home,
    port: Number(resource.port),
    onProblem: () => undefined,
    routes: [{ upstream: upstream.url }],
    guard: authenticate(createAuthenticator({ methods: [method] })),
  })
})

afterAll(async () => {
  await proxy.close(1000)
  upstream.close()
  issuer.close()
  await rm(home, { recursive: true, force: true, maxRetries: 10 })
})

interface Tokens {
  readonly access_token: string
  readonly token_type: string
}

/** As little of a provider as clients need; it keeps everything in memory. */
function visitor() {
  const kept: {
    verifier: string
    tokens: Tokens | undefined
    leadsTo: URL | undefined
    discovery: OAuthDiscoveryState | undefined
  } = {
    verifier: '',
    tokens: undefined,
    leadsTo: undefined,
    discovery: undefined,
  }
  return {
    kept,
    redirectUrl,
    clientMetadata: { redirect_uris: [redirectUrl], token_endpoint_auth_method: 'none' },
    clientInformation: () => ({ client_id: 'desk' }),
    tokens: () => kept.tokens,
    saveTokens: (tokens: Tokens) => void (kept.tokens = tokens),
    redirectToAuthorization: (url: URL) => void (kept.leadsTo = url),
    saveCodeVerifier: (verifier: string) => void (kept.verifier = verifier),
    codeVerifier: () => kept.verifier,
    saveDiscoveryState: (state: OAuthDiscoveryState) => void (kept.discovery = state),
    discoveryState: () => kept.discovery,
  }
}

/** What a browser does: follows redirects, keeps cookies, and ends where the client listens. */
async function browse(from: URL | undefined): Promise<URLSearchParams> {
  const cookies = new Map<string, string>()
  let url = from
  for (let step = 0; url !== undefined && step < 12; step++) {
    if (url.href.startsWith(redirectUrl)) return url.searchParams
    const cookie = [...cookies].map(pair => pair.join('=')).join('; ')
    const answer: Response = await fetch(url, { redirect: 'manual', headers: { cookie } })
    for (const each of answer.headers.getSetCookie()) {
      const [name = '', value = ''] = (each.split(';', 1)[0] ?? '').split('=', 2)
      cookies.set(name, value)
    }
    const next = answer.headers.get('location')
    url = next === null ? undefined : new URL(next, url)
  }
  throw new Error('The authorization server led nowhere.')
}

type Visitor = ReturnType<typeof visitor>

interface Line {
  /** Connects, calls a tool, and leaves. */
  readonly talk: (by: Visitor) => Promise<unknown>
  readonly finish: (by: Visitor, back: URLSearchParams) => Promise<void>
}

const info = { name: 'visitor', version: '1.0' }
const echo = { name: 'echo', arguments: { text: 'hello' } }

const linesOf: Readonly<Record<'v1' | 'v2', Line>> = {
  v1: {
    talk: async authProvider => {
      const client = new ClientV1(info)
      await client.connect(new HttpV1(resource, { authProvider }))
      const result = await client.callTool(echo)
      await client.close()
      return result.content
    },
    finish: async (authProvider, back) =>
      await new HttpV1(resource, { authProvider }).finishAuth(back.get('code') ?? ''),
  },
  v2: {
    talk: async authProvider => {
      const client = new ClientV2(info)
      await client.connect(new HttpV2(resource, { authProvider }))
      const result = await client.callTool(echo)
      await client.close()
      return result.content
    },
    finish: async (authProvider, back) => await new HttpV2(resource, { authProvider }).finishAuth(back),
  },
}

describe.each(['v1', 'v2'] as const)('the official client %s', name => {
  const line = linesOf[name]

  test('is led to the authorization server, comes back with a token, and goes on through a rotation of keys', async () => {
    const by = visitor()
    await expect(line.talk(by)).rejects.toThrow(/authoriz/iu)
    expect(by.kept.leadsTo?.searchParams.get('resource')).toBe(resource.href)
    expect(by.kept.leadsTo?.searchParams.get('scope')).toContain('mcp:read')
    await line.finish(by, await browse(by.kept.leadsTo))
    const hello = [expect.objectContaining({ type: 'text', text: expect.stringContaining('hello') })]
    expect(await line.talk(by)).toEqual(hello)
    const old = by.kept.tokens?.access_token
    issuer.rotate()
    expect(await line.talk(by)).toEqual(hello)
    expect(by.kept.tokens?.access_token).not.toBe(old)
  })
})
