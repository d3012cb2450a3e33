import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthenticator, oauth } from '@muniment/auth'
import { authenticate } from '@muniment/interceptor/guard'
import { startProxy } from '@muniment/interceptor/proxy'
import {
  startAuthorizationServer,
  type AuthorizationServer,
} from '../../shared/auth/test/authorization-server.ts'
import { sessions } from '../../services/interceptor/test/http-servers.ts'

/** An authorization server that others wrote, and the proxy in front of a server that knows nothing of tokens. */
export interface OAuthSite {
  readonly home: string
  readonly resource: URL
  readonly issuer: AuthorizationServer
  readonly close: () => Promise<void>
}

/** A server on this machine. */
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

/** Starts it, with access tokens of so many seconds. */
export async function openOAuthSite(ttlS?: number): Promise<OAuthSite> {
  const home = await mkdtemp(join(tmpdir(), 'muniment-oauth-'))
  const serve = sessions()
  const upstream = await listen((request, response) => void serve(request, response))
  // The address must be known before either side starts: clients are told it, and tokens are made for it.
  const reserved = await listen(() => undefined)
  const resource = reserved.url
  reserved.close()
  const issuer = await startAuthorizationServer({ [resource.href]: 'mcp:read mcp:write' }, ttlS)
  const method = oauth({
    issuer: issuer.issuer,
    resources: [resource.href],
    scopes: ['mcp:read'],
    cacheMs: 0,
    // Keys are read for each token, so that a rotation shows at once.
    keys: { cooldownMs: 0, maxAgeMs: 0 },
  })
  const proxy = await startProxy({
    home,
    port: Number(resource.port),
    onProblem: () => undefined,
    routes: [{ upstream: upstream.url }],
    guard: authenticate(createAuthenticator({ methods: [method] })),
  })
  const close = async (): Promise<void> => {
    await proxy.close(1000)
    upstream.close()
    issuer.close()
    await rm(home, { recursive: true, force: true, maxRetries: 10 })
  }
  return { home, resource, issuer, close }
}

/** What a browser does: follows redirects and keeps cookies, until it is led where the client listens. */
export async function browse(from: URL | undefined, callback = '/callback'): Promise<URL> {
  const cookies = new Map<string, string>()
  let url = from
  for (let step = 0; url !== undefined && step < 12; step++) {
    if (url.pathname === callback) return url
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
