import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as HttpV2,
  type OAuthDiscoveryState,
} from '@modelcontextprotocol/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browse, openOAuthSite, type OAuthSite } from './oauth-site.ts'

// Official clients, an authorization server that others wrote, and the proxy between them and a server that knows nothing of tokens.

const redirectUrl = 'http://127.0.0.1:9/callback'

let site: OAuthSite
let resource: URL

beforeAll(async () => {
  site = await openOAuthSite()
  resource = site.resource
})

afterAll(async () => await site.close())

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
    await line.finish(by, (await browse(by.kept.leadsTo)).searchParams)
    const hello = [expect.objectContaining({ type: 'text', text: expect.stringContaining('hello') })]
    expect(await line.talk(by)).toEqual(hello)
    const old = by.kept.tokens?.access_token
    site.issuer.rotate()
    expect(await line.talk(by)).toEqual(hello)
    expect(by.kept.tokens?.access_token).not.toBe(old)
  })
})
