import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createOAuthClient, type OAuthClient, type OAuthClientOptions } from '@muniment/auth'
import { auth } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { browse, openOAuthSite, type OAuthSite } from './oauth-site.ts'

// Official clients with our provider sign in at an authorization server that others wrote, through the guarded proxy.

const run = promisify(execFile)
const refresher = fileURLToPath(import.meta.resolve('../fixtures/refresher.ts'))

let site: OAuthSite
let folder = ''
const open = new Set<OAuthClient>()

beforeAll(async () => {
  site = await openOAuthSite()
})
afterAll(async () => await site.close())
beforeEach(async () => {
  folder = await mkdtemp(join(site.home, 'client-'))
})
afterEach(async () => {
  for (const client of open) client.close()
  open.clear()
  await rm(folder, { recursive: true, force: true, maxRetries: 10 })
})

interface Desk extends OAuthClient {
  /** Where the browser is to be led. */
  readonly leadsTo: () => URL | undefined
}

async function desk(more: Partial<OAuthClientOptions> = {}): Promise<Desk> {
  let leadsTo: URL | undefined
  const client = await createOAuthClient({
    server: site.resource.href,
    folder,
    openBrowser: url => void (leadsTo = url),
    registered: { id: 'desk', issuer: site.issuer.issuer },
    ...more,
  })
  open.add(client)
  return { ...client, leadsTo: () => leadsTo }
}

interface Line {
  /** Connects, calls a tool, and leaves. */
  readonly talk: (by: OAuthClient) => Promise<unknown>
  readonly finish: (by: OAuthClient, back: URLSearchParams) => Promise<void>
}

const info = { name: 'desk', version: '1.0' }
const echo = { name: 'echo', arguments: { text: 'hello' } }
const hello = [expect.objectContaining({ type: 'text', text: expect.stringContaining('hello') })]

const linesOf: Readonly<Record<'v1' | 'v2', Line>> = {
  v1: {
    talk: async by => {
      const client = new ClientV1(info)
      await client.connect(new HttpV1(site.resource, by))
      const { content } = await client.callTool(echo)
      await client.close()
      return content
    },
    finish: async (by, back) => await new HttpV1(site.resource, by).finishAuth(back.get('code') ?? ''),
  },
  v2: {
    talk: async by => {
      const client = new ClientV2(info)
      await client.connect(new HttpV2(site.resource, by))
      const { content } = await client.callTool(echo)
      await client.close()
      return content
    },
    finish: async (by, back) => await new HttpV2(site.resource, by).finishAuth(back),
  },
}

async function signIn(by: Desk, line: Line): Promise<void> {
  await expect(line.talk(by)).rejects.toThrow(/authoriz/iu)
  await fetch(await browse(by.leadsTo()))
  await line.finish(by, await by.returned())
}

/** Begins a sign-in, and lets somebody change what the browser brings back. */
async function comeBackWith(by: Desk, line: Line, change: (back: URL) => void): Promise<Response> {
  await expect(line.talk(by)).rejects.toThrow(/authoriz/iu)
  const back = await browse(by.leadsTo())
  change(back)
  return await fetch(back)
}

/** As a client does whose access token is no longer taken. */
async function refreshed(by: OAuthClient): Promise<string> {
  return await auth(by.authProvider, { serverUrl: site.resource, fetchFn: by.fetch })
}

describe.each(['v1', 'v2'] as const)('the official client %s with our provider', name => {
  const line = linesOf[name]

  test('signs in, calls, and is signed in in the next process', async () => {
    const by = await desk()
    await signIn(by, line)
    const asked = by.leadsTo()?.searchParams
    expect(asked?.get('code_challenge_method')).toBe('S256')
    expect(asked?.get('redirect_uri')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/u)
    expect(Buffer.from(asked?.get('state') ?? '', 'base64url').length).toBe(32)
    expect(await line.talk(by)).toEqual(hello)
    expect(await line.talk(await desk())).toEqual(hello)
  })

  test('registers itself where nobody did, and is sent back to the same port the next time', async () => {
    let leadsTo: URL | undefined
    const options = { server: site.resource.href, folder, openBrowser: (url: URL) => void (leadsTo = url) }
    const first = await createOAuthClient(options)
    open.add(first)
    await signIn({ ...first, leadsTo: () => leadsTo }, line)
    expect(await line.talk(first)).toEqual(hello)
    const again = await createOAuthClient(options)
    expect(again.authProvider.redirectUrl).toBe(first.authProvider.redirectUrl)
    expect(await again.authProvider.clientInformation()).toEqual(await first.authProvider.clientInformation())
  })

  test('gets a new token by itself once the old one is no longer taken', async () => {
    const by = await desk()
    await signIn(by, line)
    const [old, asked] = [await by.authProvider.tokens(), by.leadsTo()]
    site.issuer.rotate()
    expect(await line.talk(by)).toEqual(hello)
    const current = await by.authProvider.tokens()
    expect(current?.access_token).not.toBe(old?.access_token)
    expect(current?.refresh_token).not.toBe(old?.refresh_token)
    expect(by.leadsTo()).toBe(asked)
  })

  test('does not take an answer that names another issuer, or none where one is due', async () => {
    for (const change of [
      (back: URL) => back.searchParams.set('iss', 'https://login.example.org'),
      (back: URL) => back.searchParams.append('iss', 'https://login.example.org'),
      (back: URL) => back.searchParams.delete('iss'),
      (back: URL) => back.searchParams.set('iss', `${site.issuer.issuer}/`),
    ]) {
      const by = await desk()
      await comeBackWith(by, line, change)
      await expect(by.returned()).rejects.toMatchObject({ code: 'AUTH_FAILED' })
      expect(await by.authProvider.tokens()).toBeUndefined()
      by.close()
    }
  })

  test('waits on when somebody else comes with a wrong state, several states or none, and takes the right one once', async () => {
    const by = await desk()
    for (const change of [
      (back: URL) => back.searchParams.set('state', 'a'.repeat(43)),
      (back: URL) => back.searchParams.append('state', 'more'),
      (back: URL) => back.searchParams.delete('state'),
      (back: URL) => (back.pathname = '/elsewhere'),
    ]) {
      const { status } = await comeBackWith(by, line, change)
      expect(status).toBe(400)
    }
    const back = await browse(by.leadsTo())
    expect((await fetch(back)).status).toBe(200)
    await expect(fetch(back)).rejects.toThrow()
    await line.finish(by, await by.returned())
    expect(await line.talk(by)).toEqual(hello)
  })

  test('says that the user refused, in words of the standard only', async () => {
    const by = await desk()
    await comeBackWith(by, line, back => {
      back.searchParams.delete('code')
      back.searchParams.set('error', 'access_denied')
    })
    await expect(by.returned()).rejects.toThrow(/refused the sign-in: access_denied/u)
    await comeBackWith(by, line, back => back.searchParams.set('error', '<b>call 555</b>'))
    await expect(by.returned()).rejects.toThrow(/of an unknown kind/u)
  })
})

describe('several processes with one sign-in', () => {
  test('refresh as often as they like, and none loses what another got', async () => {
    const by = await desk()
    await signIn(by, linesOf.v1)
    const args = [refresher, site.resource.href, folder, '5', site.issuer.issuer]
    const outcomes = await Promise.all(
      Array.from({ length: 3 }, async () => (await run(process.execPath, args)).stdout),
    )
    expect(outcomes).toEqual(Array.from({ length: 3 }, () => Array(5).fill('AUTHORIZED').join(' ')))
    expect(await refreshed(by)).toBe('AUTHORIZED')
    expect(await linesOf.v2.talk(by)).toEqual(hello)
  })

  test('in one process, too, all who ask at a time get what the first one got', async () => {
    const by = await desk()
    await signIn(by, linesOf.v1)
    const outcomes = await Promise.all(Array.from({ length: 8 }, async () => await refreshed(by)))
    expect(new Set(outcomes)).toEqual(new Set(['AUTHORIZED']))
    expect(await refreshed(by)).toBe('AUTHORIZED')
  })

  test('who does not send through our fetch is never given a refresh token', async () => {
    const by = await desk()
    await signIn(by, linesOf.v1)
    const { authProvider } = await desk()
    expect(await authProvider.tokens()).toEqual(expect.objectContaining({ token_type: 'Bearer' }))
    expect(await authProvider.tokens()).not.toHaveProperty('refresh_token')
  })

  test('an old refresh token that is used again ends the sign-in, and the client asks for a new one', async () => {
    const by = await desk()
    await signIn(by, linesOf.v2)
    const stolen = (await by.authProvider.tokens())?.refresh_token ?? ''
    expect(await refreshed(by)).toBe('AUTHORIZED')
    const replay = await fetch(`${site.issuer.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: stolen, client_id: 'desk' }),
    })
    expect(replay.status).toBe(400)
    expect(await refreshed(by)).toBe('REDIRECT')
    expect(await by.authProvider.tokens()).toBeUndefined()
  })
})

test('nothing that was given is in any file in the clear', async () => {
  const by = await desk()
  await signIn(by, linesOf.v1)
  const tokens = await by.authProvider.tokens()
  const names = await readdir(folder)
  expect(names.length).toBe(2)
  for (const name of names) {
    const text = await readFile(join(folder, name), 'utf8')
    for (const secret of [tokens?.access_token, tokens?.refresh_token, site.resource.href])
      expect(text).not.toContain(secret)
  }
})
