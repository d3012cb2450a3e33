import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createOAuthClient, type OAuthClient, type OAuthClientOptions } from '@muniment/auth'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

// What rests on the disk, and who an official client may be led to. Whole sign-ins are in test/e2e/oauth-client.test.ts.

const [mine, other] = ['https://mcp.example.com/mcp', 'https://mcp.example.com/other']
const tokens = { access_token: 'made-up-access', token_type: 'Bearer', refresh_token: 'made-up-refresh' }
const issuer = 'https://login.example.com'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muniment-client-'))
})
afterEach(async () => await rm(folder, { recursive: true, force: true, maxRetries: 10 }))

async function clientOf(more: Partial<OAuthClientOptions> = {}): Promise<OAuthClient> {
  return await createOAuthClient({ server: mine, folder, openBrowser: () => undefined, ...more })
}

async function signedIn(more: Partial<OAuthClientOptions> = {}): Promise<OAuthClient> {
  const client = await clientOf(more)
  await client.authProvider.saveTokens({ ...tokens, issuer })
  return client
}

function keyOf(bytes: number) {
  return async () => await Promise.resolve(new Uint8Array(bytes).fill(7))
}

async function lead({ authProvider }: OAuthClient): Promise<void> {
  authProvider.state()
  await authProvider.redirectToAuthorization(new URL(`${issuer}/authorize`))
}

async function fileOf(kind: 'key' | 'json'): Promise<string> {
  const names = await readdir(folder)
  return join(folder, names.find(name => name.endsWith(`.${kind}`)) ?? '')
}

describe('tokens at rest', () => {
  test('are read by the next process, and by nobody without the key', async () => {
    await signedIn()
    const again = await clientOf()
    expect(await again.authProvider.tokens()).toMatchObject({ access_token: 'made-up-access', issuer })
    expect(await readFile(await fileOf('json'), 'utf8')).not.toMatch(/made-up|example/u)
    await rm(await fileOf('key'))
    await expect(clientOf()).rejects.toMatchObject({ code: 'SECRET_MALFORMED' })
  })

  test.each(['key', 'json'] as const)('are refused where the file .%s is open to others', async kind => {
    await signedIn()
    for (const mode of [0o644, 0o640, 0o602]) {
      await chmod(await fileOf(kind), mode)
      await expect(clientOf()).rejects.toMatchObject({ code: 'SECRET_DENIED' })
    }
    await chmod(await fileOf(kind), 0o600)
    expect(await (await clientOf()).authProvider.tokens()).toMatchObject({ access_token: 'made-up-access' })
  })

  test('are refused where others may put files beside them', async () => {
    await signedIn()
    await chmod(folder, 0o777)
    await expect(clientOf()).rejects.toMatchObject({ code: 'SECRET_DENIED' })
  })

  test('are refused once a single character of them was altered', async () => {
    await signedIn()
    const path = await fileOf('json')
    const text = await readFile(path, 'utf8')
    const start = text.indexOf('"data":"') + 8
    for (const at of [start, Math.floor((start + text.length) / 2), text.length - 4]) {
      const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
      await writeFile(path, changed)
      await expect(clientOf()).rejects.toMatchObject({ code: 'SECRET_MALFORMED' })
    }
    for (const cut of ['', '{}', text.slice(0, 40), '{"v":1,"iv":"","data":""}']) {
      await writeFile(path, cut)
      await expect(clientOf()).rejects.toMatchObject({ code: 'SECRET_MALFORMED' })
    }
  })

  test('of one server do not open as those of another', async () => {
    await signedIn()
    const path = await fileOf('json')
    const text = await readFile(path, 'utf8')
    await rm(path)
    await signedIn({ server: other })
    await writeFile(await fileOf('json'), text)
    await expect(clientOf({ server: other })).rejects.toMatchObject({ code: 'SECRET_MALFORMED' })
  })

  test('open with a key that the caller brings, and with no other', async () => {
    const key = keyOf(32)
    await signedIn({ key })
    expect((await readdir(folder)).filter(name => name.endsWith('.key'))).toEqual([])
    expect(await (await clientOf({ key })).authProvider.tokens()).toMatchObject({ issuer })
    await expect(clientOf()).rejects.toMatchObject({ code: 'SECRET_MALFORMED' })
    await expect(clientOf({ key: keyOf(16) })).rejects.toMatchObject({ code: 'SECRET_MALFORMED' })
  })

  test('are gone after a sign-out', async () => {
    const client = await signedIn()
    await client.signOut()
    expect(await (await clientOf()).authProvider.tokens()).toBeUndefined()
  })
})

describe('a client is not led', () => {
  test.each([
    'file:///etc/passwd',
    'javascript:alert(1)',
    'http://login.example.com/authorize',
    'ms-settings:privacy',
    'https://user:word@login.example.com/authorize',
  ])('to %s, whatever a server says', async address => {
    let opened = 0
    const { authProvider } = await clientOf({ openBrowser: () => void (opened += 1) })
    authProvider.state()
    await expect(authProvider.redirectToAuthorization(new URL(address))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    })
    expect(opened).toBe(0)
  })

  test('to a server whose metadata name another one', async () => {
    const { authProvider } = await clientOf()
    const authorizationServerMetadata = {
      issuer: 'https://login.example.org',
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      response_types_supported: ['code'],
    }
    const found = { authorizationServerUrl: issuer, authorizationServerMetadata }
    expect(() => authProvider.saveDiscoveryState(found)).toThrow(/describes itself as another one/u)
  })

  test('to a token endpoint in the clear', async () => {
    const client = await signedIn()
    const body = new URLSearchParams({ grant_type: 'authorization_code', code: 'made-up' })
    await expect(
      client.fetch('http://login.example.com/token', { method: 'POST', body }),
    ).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})

test('a secret that was given by hand is named for its issuer only, and no other client takes its place', async () => {
  const { authProvider } = await clientOf({ registered: { id: 'desk', secret: 'made-up', issuer } })
  expect(await authProvider.clientInformation()).toEqual({
    client_id: 'desk',
    client_secret: 'made-up',
    issuer,
  })
  expect(authProvider.saveClientInformation).toBeUndefined()
})

test('a registration whose secret is over, or that leads back elsewhere, is not used', async () => {
  const { authProvider } = await clientOf({ now: () => 2_000_000 })
  const kept = { client_id: 'desk', client_secret: 'made-up', issuer }
  const tell = async (more: object): Promise<unknown> => {
    await authProvider.saveClientInformation?.({ ...kept, ...more })
    return await authProvider.clientInformation()
  }
  expect(await tell({ client_secret_expires_at: 1999 })).toBeUndefined()
  expect(await tell({ client_secret_expires_at: 0 })).toMatchObject(kept)
  expect(await tell({ redirect_uris: ['http://127.0.0.1:1/callback'] })).toBeUndefined()
  expect(await tell({ redirect_uris: [authProvider.redirectUrl] })).toMatchObject(kept)
})

test.each([{ server: 'http://mcp.example.com/mcp' }, { redirectPort: 0 }, { redirectPort: 70_000 }])(
  'the option %j stops the start',
  async option => {
    await expect(clientOf(option)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  },
)

test('a sign-in whose port is taken says so, and one that nobody ends is over in time', async () => {
  const first = await clientOf({ timeoutMs: 300 })
  const second = await clientOf({ redirectPort: Number(new URL(first.authProvider.redirectUrl).port) })
  await lead(first)
  await expect(lead(second)).rejects.toMatchObject({ code: 'DEPENDENCY_UNREACHABLE' })
  await expect(first.returned()).rejects.toThrow(/Nobody came back/u)
})
