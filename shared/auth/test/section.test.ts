import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openMemoryShelf, type Authenticator } from '@muniment/auth'
import { authSectionSchema, openAuthenticator } from '@muniment/auth/section'
import { asking } from './request.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muniment-auth-section-'))
  await writeFile(join(folder, 'secret'), 'made-up\n')
  await writeFile(join(folder, 'empty'), '\n')
  await writeFile(
    join(folder, 'key.pem'),
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'pem', type: 'spki' }),
  )
})
afterAll(async () => rm(folder, { recursive: true, force: true, maxRetries: 10 }))

async function open(value: unknown): Promise<Authenticator> {
  return await openAuthenticator(authSectionSchema.parse(value), {
    shelves: { keys: openMemoryShelf(), uses: openMemoryShelf() },
    tenant: 'default',
    resources: ['https://mcp.example.com/mcp'],
    now: Date.now,
  })
}

const issuer = { issuer: 'https://login.example.com', scopes: ['mcp:read'] }
const introspection = { url: 'https://login.example.com/introspect', client_id: 'guard' }

test('a section with tokens and keys guards the addresses of the site', async () => {
  const authenticator = await open({
    oauth: [issuer],
    api_keys: {},
    order: ['api_keys', 'oauth'],
    failures: { free: 3 },
  })
  expect(await authenticator.check(asking())).toMatchObject({
    reason: 'no_credential',
    refusal: { status: 401 },
  })
  expect(authenticator.document('/.well-known/oauth-protected-resource/mcp')).toMatchObject({
    resource: 'https://mcp.example.com/mcp',
    authorization_servers: ['https://login.example.com'],
  })
})

describe('a mistake stops the start:', () => {
  test.each<[string, () => unknown]>([
    ['nothing is named', () => ({})],
    ['an order that leaves one out', () => ({ oauth: [issuer], api_keys: {}, order: ['oauth'] })],
    ['an order that names one twice', () => ({ oauth: [issuer], api_keys: {}, order: ['oauth', 'oauth'] })],
    ['an order that names one that is not there', () => ({ api_keys: {}, order: ['oauth'] })],
    [
      'all of several issuers',
      () => ({ oauth: [issuer, { issuer: 'https://other.example' }], require: 'all' }),
    ],
    ['an issuer in the clear', () => ({ oauth: [{ issuer: 'http://login.example.com' }] })],
    ['an algorithm with a shared secret', () => ({ oauth: [{ ...issuer, algorithms: ['HS256'] }] })],
    [
      'a secret that is not there',
      () => ({
        oauth: [{ ...issuer, introspection: { ...introspection, client_secret_file: join(folder, 'gone') } }],
      }),
    ],
    [
      'a secret that is empty',
      () => ({
        oauth: [
          { ...issuer, introspection: { ...introspection, client_secret_file: join(folder, 'empty') } },
        ],
      }),
    ],
    ['authorities that are not there', () => ({ certificates: { authorities_file: join(folder, 'gone') } })],
    ['authorities that are none', () => ({ certificates: { authorities_file: join(folder, 'key.pem') } })],
    [
      'a list that is none',
      () => ({
        certificates: { authorities_file: join(folder, 'key.pem'), crl_files: [join(folder, 'secret')] },
      }),
    ],
    [
      'revocation without lists',
      () => ({ certificates: { authorities_file: join(folder, 'key.pem'), revocation: 'require' } }),
    ],
  ])('%s', async (_, value) => {
    await expect(open(value())).rejects.toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })

  test.each<[string, object]>([
    ['a name that is not known', { oath: [issuer] }],
    ['a name inside that is not known', { oauth: [{ ...issuer, audience: 'x' }] }],
    ['a number that is a text', { oauth: [{ ...issuer, clock_skew_seconds: '30' }] }],
    ['a skew of hours', { oauth: [{ ...issuer, clock_skew_seconds: 3600 }] }],
    ['keys that are just switched on', { api_keys: true }],
    ['no issuer', { oauth: [] }],
    ['a policy that is none', { require: 'some', api_keys: {} }],
    ['no free failure', { api_keys: {}, failures: { free: 0 } }],
  ])('%s', (_, value) => {
    expect(authSectionSchema.safeParse(value).success).toBe(false)
  })
})
