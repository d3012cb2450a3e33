import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  apiKeys,
  createApiKeyAdmin,
  createAuthenticator,
  openFileShelf,
  openMemoryShelf,
  openStateShelf,
  type ApiKeyAdmin,
  type ApiKeyMethodOptions,
  type ApiKeyShelves,
  type Authenticator,
  type AuthOutcome,
  type Shelf,
} from '@muniment/auth'
import { openState } from '@muniment/state'
import { asking, bearing, clockAt, outcomeOf } from './request.ts'

const startMs = Date.UTC(2026, 0, 5)
let clock = clockAt(startMs)
let shelves: ApiKeyShelves
let admin: ApiKeyAdmin
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muniment-api-keys-'))
})
afterAll(async () => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
beforeEach(() => {
  clock = clockAt(startMs)
  shelves = { keys: openMemoryShelf(), uses: openMemoryShelf() }
  admin = createApiKeyAdmin({ ...shelves, now: clock.now, randomBytes })
})

const grant = { name: 'ci', tenant: 'acme', scopes: ['read'] }

function method(options: Partial<ApiKeyMethodOptions> = {}): ReturnType<typeof apiKeys> {
  return apiKeys({ ...shelves, now: clock.now, ...options })
}

function shortly(outcome: AuthOutcome): string {
  return 'refusal' in outcome ? `${outcome.refusal.status} ${outcome.reason}` : outcome.principal.id
}

async function tell(key: string, options: Partial<ApiKeyMethodOptions> = {}): Promise<string> {
  return shortly(await outcomeOf(method(options), bearing(key)))
}

describe('a new key', () => {
  test('has a prefix, an id and 256 random bits, and nothing of the secret is kept', async () => {
    const { key, info } = await admin.create(grant)
    expect(key).toMatch(new RegExp(`^mun_${info.id}_[A-Za-z0-9_-]{43}$`, 'u'))
    const kept = (await shelves.keys.read())?.text ?? ''
    expect(kept).not.toContain(key.slice(-43))
    expect(kept).toContain(info.id)
  })

  test('two with the same secret would be kept under different salts and hashes', async () => {
    const same = createApiKeyAdmin({
      ...shelves,
      now: clock.now,
      randomBytes: size => (size === 32 ? Buffer.alloc(32, 7) : randomBytes(size)),
    })
    await same.create(grant)
    await same.create(grant)
    const { keys }: { keys: Record<string, string>[] } = JSON.parse((await shelves.keys.read())?.text ?? '')
    expect(new Set(keys.map(each => each['hash'])).size).toBe(2)
    expect(new Set(keys.map(each => each['salt'])).size).toBe(2)
  })

  test.each([
    ['Authorization: Bearer', (key: string) => bearing(key)],
    ['X-API-Key', (key: string) => asking({ 'x-api-key': key })],
  ])('is taken as %s, and names its principal', async (_, request) => {
    const { key, info } = await admin.create(grant)
    expect(await outcomeOf(method(), request(key))).toEqual({
      principal: { id: 'ci', client_id: info.id, scopes: ['read'], method: 'api_key' },
      tenant: 'acme',
      reason: 'api_key',
    })
  })

  test.each([
    ['a name with a space', { name: 'a b' }],
    ['no name', { name: '' }],
    ['a tenant that is a path', { tenant: '../x' }],
    ['a scope that breaks out of a challenge', { scopes: ['a"'] }],
    ['an expiry in the past', { expires_ms: startMs }],
    ['an expiry that is no time', { expires_ms: Number.NaN }],
  ])('is not made with %s', async (_, wrong) => {
    await expect(admin.create({ ...grant, ...wrong })).rejects.toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
    expect(await admin.list()).toEqual([])
  })
})

describe('refused is', () => {
  test('every key of a wrong form, id or secret, for all the caller can see in the same way', async () => {
    const { key } = await admin.create(grant)
    const wrong = [
      `${key.slice(0, -1)}${key.endsWith('A') ? 'E' : 'A'}`,
      `mun_${'0'.repeat(16)}_${key.slice(-43)}`,
      'mun_',
      `${key}x`,
      key.toUpperCase().replace('MUN', 'mun'),
    ]
    const outcomes = await Promise.all(wrong.map(async each => await outcomeOf(method(), bearing(each))))
    const refusals = outcomes.map(each => ('refusal' in each ? each.refusal : undefined))
    expect(refusals[0]).toMatchObject({ status: 401, code: 'AUTH_FAILED' })
    expect(new Set(refusals.map(each => JSON.stringify(each))).size).toBe(1)
  })

  test('a key that was revoked, everywhere within the refresh time', async () => {
    const { key, info } = await admin.create(grant)
    const way = method()
    expect(shortly(await outcomeOf(way, bearing(key)))).toBe('ci')
    expect(await admin.revoke(info.id)).toMatchObject({ state: 'revoked', revokedMs: startMs })
    clock.pass(5001)
    expect(shortly(await outcomeOf(way, bearing(key)))).toBe('401 api_key_revoked')
    await expect(admin.revoke('0'.repeat(16))).rejects.toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
  })

  test('a key that expired', async () => {
    const { key } = await admin.create({ ...grant, expires_ms: startMs + 1000 })
    expect(await tell(key)).toBe('ci')
    clock.pass(1000)
    expect(await tell(key)).toBe('401 api_key_expired')
  })

  test('a key of another tenant', async () => {
    const { key } = await admin.create(grant)
    expect(await tell(key, { tenant: 'acme' })).toBe('ci')
    expect(await tell(key, { tenant: 'other' })).toBe('401 api_key_of_other_tenant')
  })

  test('a key whose scopes do not reach', async () => {
    const { key } = await admin.create(grant)
    const outcome = await outcomeOf(method({ scopes: ['read', 'write'] }), bearing(key))
    expect(outcome).toMatchObject({
      refusal: {
        status: 403,
        headers: { 'WWW-Authenticate': 'Bearer error="insufficient_scope", scope="read write"' },
      },
    })
  })

  test.each([
    ['nothing', undefined],
    ['no JSON', '{'],
    ['another version', '{"v":2,"keys":[]}'],
    [
      'a record without scopes',
      '{"v":1,"keys":[{"id":"a","name":"a","tenant":"a","salt":"a","hash":"a","created_ms":1}]}',
    ],
    [
      'an expiry that is a text',
      `{"v":1,"keys":[{"id":"a","name":"a","tenant":"a","salt":"a","hash":"${'a'.repeat(43)}","created_ms":1,"scopes":[],"expires_ms":"never"}]}`,
    ],
  ])('everybody where the list holds %s', async (_, text) => {
    const { key } = await admin.create(grant)
    const keys: Shelf = {
      read: async () => await Promise.resolve(text === undefined ? undefined : { text, version: '1' }),
      replace: async () => await Promise.resolve(false),
    }
    expect(await tell(key, { keys })).toMatch(
      text === undefined ? /^401 api_key_unknown$/u : /^503 api_keys_unreadable$/u,
    )
  })
})

describe('a list that cannot be read', () => {
  test('serves from memory for a time, then lets nobody in, and is not asked for every call', async () => {
    const { key } = await admin.create(grant)
    let reads = 0
    let isDown = false
    const keys: Shelf = {
      ...shelves.keys,
      read: async () => {
        reads += 1
        if (isDown) throw new Error('away')
        return await shelves.keys.read()
      },
    }
    const way = method({ keys })
    expect(shortly(await outcomeOf(way, bearing(key)))).toBe('ci')
    isDown = true
    clock.pass(200_000)
    for (let call = 0; call < 50; call++) expect(shortly(await outcomeOf(way, bearing(key)))).toBe('ci')
    clock.pass(200_000)
    for (let call = 0; call < 50; call++)
      expect(shortly(await outcomeOf(way, bearing(key)))).toBe('503 api_keys_unreadable')
    expect(reads).toBe(3)
  })
})

describe('the last use', () => {
  test('is written at most once a minute, and shows in the list', async () => {
    const { key } = await admin.create(grant)
    let writes = 0
    const uses: Shelf = {
      ...shelves.uses,
      replace: async (text, expected) => {
        writes += 1
        return await shelves.uses.replace(text, expected)
      },
    }
    const way = method({ uses, refreshMs: 3_600_000 })
    for (let second = 0; second < 180; second++) {
      clock.pass(1000)
      await outcomeOf(way, bearing(key))
    }
    await way.flush()
    expect(writes).toBeLessThanOrEqual(4)
    expect(await admin.list()).toMatchObject([{ lastUsedMs: startMs + 180_000, state: 'live' }])
  })
})

describe.each<[string, () => Promise<ApiKeyShelves>]>([
  [
    'a file',
    async () =>
      await Promise.resolve({
        keys: openFileShelf(join(folder, 'a', 'keys.json')),
        uses: openFileShelf(join(folder, 'a', 'uses.json')),
      }),
  ],
  [
    'the state',
    async () => {
      const state = await openState({ kind: 'memory' })
      return { keys: openStateShelf(state, 'auth/keys'), uses: openStateShelf(state, 'auth/uses') }
    },
  ],
])('kept in %s', (_, open) => {
  test('no key that is made while others are made is lost', async () => {
    const own = await open()
    const admins = [1, 2, 3].map(() => createApiKeyAdmin({ ...own, now: Date.now, randomBytes }))
    await Promise.all(admins.flatMap(each => [each.create(grant), each.create(grant)]))
    const [one] = admins
    expect(await one?.list()).toHaveLength(6)
  })
})

test.skipIf(process.platform === 'win32')('a file that others may read is refused, and says so', async () => {
  const path = join(folder, 'open.json')
  await writeFile(path, '{"v":1,"keys":[]}')
  await chmod(path, 0o644)
  await expect(openFileShelf(path).read()).rejects.toThrow(
    expect.objectContaining({ code: 'SECRET_DENIED', hint: expect.stringContaining('chmod 600') }),
  )
  expect(await readFile(path, 'utf8')).not.toBe('')
})

const bad = `mun_${'0'.repeat(16)}_${'A'.repeat(43)}`

function gate(): Authenticator {
  return createAuthenticator({ methods: [method()], failures: { free: 3, baseMs: 1000, now: clock.now } })
}

describe('a source that fails again and again', () => {
  test('is slowed, longer each time, and told for how long', async () => {
    const way = gate()
    const waits: (string | undefined)[] = []
    for (let attempt = 0; attempt < 6; attempt++) {
      const outcome = await way.check(bearing(bad))
      waits.push('refusal' in outcome ? (outcome.refusal.headers['Retry-After'] ?? 'heard') : 'let in')
      if (waits.at(-1) !== 'heard') clock.pass(Number(waits.at(-1)) * 1000)
    }
    expect(waits).toEqual(['heard', 'heard', 'heard', '1', 'heard', '2'])
  })

  test('under whatever spelling of its address, or of its IPv6 network', async () => {
    const spellings = [
      ['192.0.2.7', '::ffff:192.0.2.7', '::FFFF:192.0.2.7'],
      ['2001:db8::1', '2001:0db8:0:0::2', '2001:DB8:0:0:ffff::9', '2001:db8::1%eth0'],
    ]
    for (const addresses of spellings) {
      const way = gate()
      for (const address of addresses) await way.check(bearing(bad, { address }))
      expect(shortly(await way.check(bearing(bad, { address: addresses[0] })))).toBe('429 too_many_failures')
      expect(shortly(await way.check(bearing(bad, { address: '198.51.100.1' })))).toBe('401 api_key_unknown')
    }
  })

  test('is not who has no credential, or one that was good until it was revoked', async () => {
    const { key, info } = await admin.create(grant)
    await admin.revoke(info.id)
    const way = gate()
    for (let attempt = 0; attempt < 10; attempt++) {
      expect(shortly(await way.check(asking()))).toBe('401 no_credential')
      expect(shortly(await way.check(bearing(key)))).toBe('401 api_key_revoked')
    }
  })

  test('of which there are fifty thousand takes bounded memory', async () => {
    const way = createAuthenticator({ methods: [method()], failures: { free: 1, now: clock.now } })
    await way.check(bearing(bad, { address: 'first' }))
    for (let source = 0; source < 50_000; source++) await way.check(bearing(bad, { address: `10.${source}` }))
    expect(shortly(await way.check(bearing(bad, { address: '10.49999' })))).toBe('429 too_many_failures')
    // The first was forgotten to make room, and is heard again.
    expect(shortly(await way.check(bearing(bad, { address: 'first' })))).toBe('401 api_key_unknown')
  })
})
