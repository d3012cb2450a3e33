import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Decision } from '@muniment/schema'
import {
  initSecrets,
  inspectSecrets,
  openKeys,
  openSecrets,
  secretNames,
  type SecretStore,
} from '../src/index.ts'
import { parseIngestKey, sealBatch } from '../src/seal.ts'
import { cacheTtlMs, codeOf, world } from './world.ts'

function generationOf(id: string, activeFrom: string, fill: number): object {
  return { id, active_from: activeFrom, key: Buffer.alloc(32, fill).toString('base64url') }
}

function flip(text: string, index: number): string {
  const other = text[index] === 'A' ? 'B' : 'A'
  return `${text.slice(0, index)}${other}${text.slice(index + 1)}`
}

describe('segment keys', () => {
  test('a data key opens again, in another process too', async () => {
    const { keys, another } = await world()
    const { key, wrapped, generation } = await keys.segmentKeys.createDataKey('acme', 'seg/1')
    expect(key.symmetricKeySize).toBe(32)
    expect(wrapped).toContain(generation)
    for (const each of [keys, another()])
      expect((await each.segmentKeys.openDataKey('acme', 'seg/1', wrapped)).equals(key)).toBe(true)
  })

  test('every data key is another', async () => {
    const { keys } = await world()
    const made = [1, 2, 3].map(async () => await keys.segmentKeys.createDataKey('acme', 'seg/1'))
    const texts = (await Promise.all(made)).map(({ key }) => key.export().toString('hex'))
    expect(new Set(texts).size).toBe(3)
  })

  test('a wrapped key with any one character changed opens nothing', async () => {
    const { keys } = await world()
    const { wrapped } = await keys.segmentKeys.createDataKey('acme', 'seg/1')
    for (let index = 0; index < wrapped.length; index += 1) {
      const code = await codeOf(keys.segmentKeys.openDataKey('acme', 'seg/1', flip(wrapped, index)))
      expect(['ARCHIVE_DAMAGED', 'KEY_UNKNOWN']).toContain(code)
    }
  })

  test.each([
    {
      name: 'another tenant that has keys',
      tenant: 'other',
      context: 'seg/1',
      alter: (w: string) => w,
      code: 'KEY_UNKNOWN',
    },
    {
      name: 'another context',
      tenant: 'acme',
      context: 'seg/2',
      alter: (w: string) => w,
      code: 'ARCHIVE_DAMAGED',
    },
    {
      name: 'a tenant that has none',
      tenant: 'nobody',
      context: 'seg/1',
      alter: (w: string) => w,
      code: 'KEY_UNKNOWN',
    },
    {
      name: 'a tenant that cannot be',
      tenant: '../root',
      context: 'seg/1',
      alter: (w: string) => w,
      code: 'INVALID_INPUT',
    },
    { name: 'nothing', tenant: 'acme', context: 'seg/1', alter: () => '', code: 'ARCHIVE_DAMAGED' },
    {
      name: 'another form',
      tenant: 'acme',
      context: 'seg/1',
      alter: (w: string) => w.replace('dk1', 'dk2'),
      code: 'ARCHIVE_DAMAGED',
    },
    {
      name: 'a part more',
      tenant: 'acme',
      context: 'seg/1',
      alter: (w: string) => `${w}.x`,
      code: 'ARCHIVE_DAMAGED',
    },
    {
      name: 'a generation that never was',
      tenant: 'acme',
      context: 'seg/1',
      alter: (w: string) => w.replace('.1-', '.7-'),
      code: 'KEY_UNKNOWN',
    },
    {
      name: 'a generation that is none',
      tenant: 'acme',
      context: 'seg/1',
      alter: (w: string) => w.replace('.1-', '.../'),
      code: 'ARCHIVE_DAMAGED',
    },
    {
      name: 'padding',
      tenant: 'acme',
      context: 'seg/1',
      alter: (w: string) => `${w}=`,
      code: 'ARCHIVE_DAMAGED',
    },
  ])('with $name is refused', async ({ tenant, context, alter, code }) => {
    const { keys } = await world()
    await keys.segmentKeys.createDataKey('other', 'seg/1')
    const { wrapped } = await keys.segmentKeys.createDataKey('acme', 'seg/1')
    expect(await codeOf(keys.segmentKeys.openDataKey(tenant, context, alter(wrapped)))).toBe(code)
  })

  test('deleting the tenant key shreds what it wrapped once caches have passed, and a new key revives nothing', async () => {
    const { keys, state, pass } = await world()
    const { wrapped, generation } = await keys.segmentKeys.createDataKey('acme', 'seg/1')
    for await (const key of state.list('tenant-keys/acme/')) await state.delete(key)
    pass(cacheTtlMs)
    expect(await codeOf(keys.segmentKeys.openDataKey('acme', 'seg/1', wrapped))).toBe('KEY_UNKNOWN')
    const renewed = await keys.segmentKeys.createDataKey('acme', 'seg/1')
    expect(renewed.generation).not.toBe(generation)
    expect(await codeOf(keys.segmentKeys.openDataKey('acme', 'seg/1', wrapped))).toBe('KEY_UNKNOWN')
  })

  test('a content key is the same in another process, another for another tenant, and goes with its tenant', async () => {
    const { keys, another, state, pass } = await world()
    const hex = async ({ segmentKeys }: typeof keys, tenant: string): Promise<string> =>
      (await segmentKeys.contentKey(tenant)).export().toString('hex')
    const first = await hex(keys, 'acme')
    expect(await hex(another(), 'acme')).toBe(first)
    expect(await hex(keys, 'other')).not.toBe(first)
    for await (const key of state.list('tenant-keys/acme/')) await state.delete(key)
    pass(cacheTtlMs)
    expect(await hex(keys, 'acme')).not.toBe(first)
  })

  test('processes that need a tenant key at once agree on one', async () => {
    const { another } = await world()
    const made = Array.from(
      { length: 8 },
      async () => await another().segmentKeys.createDataKey('acme', 'seg/1'),
    )
    expect(new Set((await Promise.all(made)).map(({ generation }) => generation)).size).toBe(1)
  })

  test('a tenant key moved to another tenant, or altered at any character, is refused', async () => {
    const { keys, another, state } = await world()
    const { wrapped } = await keys.segmentKeys.createDataKey('acme', 'seg/1')
    const entry = await state.get('tenant-keys/acme/000000001')
    const text = Buffer.from(entry?.value ?? []).toString()
    await state.put('tenant-keys/thief/000000001', Buffer.from(text), undefined)
    expect(await codeOf(keys.segmentKeys.openDataKey('thief', 'seg/1', wrapped))).toBe('KEY_WRONG')
    let version = entry?.version
    for (let index = 0; index < text.length; index += 1) {
      version = await state.put('tenant-keys/acme/000000001', Buffer.from(flip(text, index)), version)
      expect(await codeOf(another().segmentKeys.openDataKey('acme', 'seg/1', wrapped))).toBe('KEY_WRONG')
    }
  })

  test('a lost root secret is not replaced where tenant keys depend on it', async () => {
    const { keys, state } = await world()
    await keys.segmentKeys.createDataKey('acme', 'seg/1')
    const secrets = await openSecrets({ kind: 'memory' })
    const late = openKeys({ secrets, state, now: Date.now, randomBytes, cacheTtlMs })
    expect(await codeOf(late.segmentKeys.createDataKey('acme', 'seg/2'))).toBe('SECRET_MISSING')
  })

  test('another root secret does not open tenant keys', async () => {
    const { keys, state } = await world()
    const { wrapped } = await keys.segmentKeys.createDataKey('acme', 'seg/1')
    const secrets = await openSecrets({ kind: 'memory' })
    await initSecrets(secrets, { now: Date.now, randomBytes })
    const other = openKeys({ secrets, state, now: Date.now, randomBytes, cacheTtlMs })
    expect(await codeOf(other.segmentKeys.openDataKey('acme', 'seg/1', wrapped))).toBe('KEY_WRONG')
  })
})

describe('ingest keys', () => {
  const aad = Buffer.from('aad')

  test('what is sealed to the published key is opened by every holder of the secret', async () => {
    const { keys, another } = await world()
    const key = parseIngestKey(await keys.ingestPublicKey())
    const sealed = sealBatch(key, Buffer.from('calls'), aad)
    for (const each of [keys, another()])
      expect(Buffer.from(await each.unseal(key.kid, sealed, aad)).toString()).toBe('calls')
  })

  test('an unknown key id is BATCH_UNREADABLE', async () => {
    const { keys } = await world()
    const sealed = sealBatch(parseIngestKey(await keys.ingestPublicKey()), Buffer.from('calls'), aad)
    expect(await codeOf(keys.unseal('nobody', sealed, aad))).toBe('BATCH_UNREADABLE')
  })

  test('many batches with unknown key ids cause one reading of the secret at most', async () => {
    const { secrets, state } = await world()
    let reads = 0
    const counting: SecretStore = {
      ...secrets,
      createsOnUse: true,
      read: async name => {
        reads += 1
        return await secrets.read(name)
      },
    }
    await initSecrets(secrets, { now: Date.now, randomBytes })
    let nowMs = Date.now()
    const keys = openKeys({ secrets: counting, state, now: () => nowMs, randomBytes, cacheTtlMs })
    await keys.require(['ingest'])
    nowMs += 10_000
    for (let index = 0; index < 50; index += 1) await codeOf(keys.unseal(`k${index}`, Buffer.alloc(48), aad))
    expect(reads).toBe(2)
  })
})

describe('generations', () => {
  test('new things are made with the newest active one, old ones open with any live one', async () => {
    const { secrets, keys, another, pass } = await world()
    const generations = [
      generationOf('new', '2026-01-02T00:00:00Z', 2),
      generationOf('old', '2025-01-01T00:00:00Z', 1),
    ]
    await secrets.create('ingest', JSON.stringify({ v: 1, generations }))
    const old = parseIngestKey(await keys.ingestPublicKey())
    expect(old.kid).toBe('old')
    const sealed = sealBatch(old, Buffer.from('calls'), Buffer.of())
    pass(24 * 3_600_000)
    expect(parseIngestKey(await keys.ingestPublicKey()).kid).toBe('new')
    for (const each of [keys, another()])
      expect(Buffer.from(await each.unseal('old', sealed, Buffer.of())).toString()).toBe('calls')
  })

  test.each([
    ['no JSON', 'nope-planted'],
    ['a list', '["planted"]'],
    ['another version', '{"v":2,"generations":[],"x":"planted"}'],
    ['no generation', '{"v":1,"generations":[],"x":"planted"}'],
    [
      'a short key',
      '{"v":1,"generations":[{"id":"a","active_from":"2026-01-01T00:00:00Z","key":"planted"}]}',
    ],
    ['a bad time', `{"v":1,"generations":[{"id":"a","active_from":"planted","key":"${'A'.repeat(43)}"}]}`],
    [
      'one id twice',
      JSON.stringify({
        v: 1,
        generations: [1, 2].map(fill => generationOf('planted', '2026-01-01T00:00:00Z', fill)),
      }),
    ],
  ])('a secret with %s is SECRET_MALFORMED, and its text is not told', async (_name, text) => {
    const { secrets, keys } = await world()
    await secrets.create('masking', text)
    const error: unknown = await keys.require(['masking']).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'SECRET_MALFORMED', message: expect.stringContaining('masking') })
    expect(JSON.stringify([String(error), error, error instanceof Error && error.stack])).not.toContain(
      'planted',
    )
  })
})

describe('the secret root', () => {
  test('may turn over: tenant keys of an older generation still open, new ones name the new one', async () => {
    const { secrets, state, keys, another, pass } = await world()
    const old = generationOf('old', '2025-01-01T00:00:00Z', 1)
    const next = generationOf('new', '2026-01-02T00:00:00Z', 2)
    await secrets.create('root', JSON.stringify({ v: 1, generations: [old, next] }))
    const { key, wrapped } = await keys.segmentKeys.createDataKey('acme', 'x')
    pass(24 * 3_600_000)
    const later = another()
    await later.segmentKeys.createDataKey('other', 'x')
    expect((await later.segmentKeys.openDataKey('acme', 'x', wrapped)).equals(key)).toBe(true)
    const rootOf = async (tenant: string): Promise<unknown> => {
      const entry = await state.get(`tenant-keys/${tenant}/000000001`)
      const stored: { root: unknown } = JSON.parse(Buffer.from(entry?.value ?? []).toString())
      return stored.root
    }
    expect([await rootOf('acme'), await rootOf('other')]).toEqual(['old', 'new'])
  })

  test('is read once more when a tenant key does not open with it, as after it was restored', async () => {
    const { secrets, state, keys, another, pass } = await world()
    const { wrapped } = await keys.segmentKeys.createDataKey('acme', 'x')
    const right = await secrets.read('root')
    const { generations }: { generations: { id: string }[] } = JSON.parse(right)
    const [{ id } = { id: '' }] = generations
    let text = JSON.stringify({ v: 1, generations: [generationOf(id, '2025-01-01T00:00:00Z', 9)] })
    const swapped: SecretStore = { ...secrets, read: async () => await Promise.resolve(text) }
    let nowMs = 0
    const late = openKeys({ secrets: swapped, state, now: () => nowMs, randomBytes, cacheTtlMs })
    expect(await codeOf(late.segmentKeys.openDataKey('acme', 'x', wrapped))).toBe('KEY_WRONG')
    text = right
    nowMs += 10_000
    expect(await codeOf(late.segmentKeys.openDataKey('acme', 'x', wrapped))).toBe('no error')
    pass(0)
    expect(await codeOf(another().segmentKeys.openDataKey('acme', 'x', wrapped))).toBe('no error')
  })

  test('is read once by callers that need it at once', async () => {
    const { secrets, state } = await world()
    await initSecrets(secrets, { now: Date.now, randomBytes })
    let reads = 0
    const counting: SecretStore = {
      ...secrets,
      read: async name => {
        reads += 1
        return await secrets.read(name)
      },
    }
    const keys = openKeys({ secrets: counting, state, now: Date.now, randomBytes, cacheTtlMs })
    await Promise.all(
      ['a', 'b', 'c', 'd'].map(async tenant => await keys.segmentKeys.createDataKey(tenant, 'x')),
    )
    expect(reads).toBe(1)
  })
})

describe('masking keys', () => {
  test('are the same in every process, and differ by tenant, type and purpose', async () => {
    const { keys, another } = await world()
    const [here, there] = [await keys.maskingKeys(), await another().maskingKeys()]
    expect(here.digestKey('acme').equals(there.digestKey('acme'))).toBe(true)
    expect((await keys.digestKey('acme')).equals(here.digestKey('acme'))).toBe(true)
    const all = [
      here.digestKey('acme'),
      here.digestKey('other'),
      here.tokenKey('acme', 'email'),
      here.tokenKey('acme', 'phone'),
      here.tokenKey('other', 'email'),
    ]
    expect(new Set(all.map(key => key.export().toString('hex'))).size).toBe(all.length)
  })
})

describe('the log signer', () => {
  test('has a C2SP verifier key that verifies what it signs', async () => {
    const { keys } = await world()
    const signer = await keys.logSigner()
    const [name = '', hex = '', ...rest] = signer.vkey.split('+')
    const typed = Buffer.from(rest.join('+'), 'base64')
    expect(name).toBe('example.com/audit')
    expect(typed[0]).toBe(1)
    const id = createHash('sha256')
      .update(Buffer.concat([Buffer.from(`${name}\n`), typed]))
      .digest()
    expect(hex).toBe(id.subarray(0, 4).toString('hex'))
    expect(Buffer.from(signer.keyId).toString('hex')).toBe(hex)
    const x = typed.subarray(1).toString('base64url')
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    const note = Buffer.from('example.com/audit\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n')
    expect(verify(null, note, key, signer.sign(note))).toBe(true)
    expect(await keys.logVerifierKeys()).toEqual([signer.vkey])
  })

  test('refuses a name that no log can have, and to be without one', async () => {
    const { secrets, state } = await world()
    for (const logName of ['a b', 'a+b', '', undefined]) {
      const keys = openKeys({ secrets, state, now: Date.now, randomBytes, cacheTtlMs, logName })
      expect(await codeOf(keys.logSigner())).toBe('CONFIG_INVALID')
    }
  })
})

describe('control decisions', () => {
  const decision: Omit<Decision, 'signature'> = {
    v: 1,
    scope: 'principal',
    value: 'alice',
    action: 'block',
    reason: 'test',
    issued: '2026-01-01T00:00:00Z',
    expires: '2026-01-02T00:00:00Z',
    version: 3,
  }

  test('verify as signed, in whatever order their fields come', async () => {
    const { keys, another } = await world()
    const signed = (await keys.controlSigner()).sign(decision)
    const verifier = await another().controlVerifier()
    expect(verifier.verify(signed)).toBe(true)
    const { signature, ...rest } = signed
    const turned = Object.fromEntries(Object.entries({ signature, ...rest }).toReversed())
    expect(verifier.verify({ ...signed, ...turned })).toBe(true)
    expect(verifier.verify({ ...signed, rule: undefined })).toBe(true)
  })

  test.each([
    ['another action', { action: 'observe' as const }],
    ['a later end', { expires: '2036-01-02T00:00:00Z' }],
    ['a field more', { rule: 'x' }],
    ['another signature', { signature: Buffer.alloc(64).toString('base64url') }],
    ['no signature', { signature: '' }],
  ])('do not verify with %s', async (_name, change) => {
    const { keys } = await world()
    const signed = (await keys.controlSigner()).sign(decision)
    expect((await keys.controlVerifier()).verify({ ...signed, ...change })).toBe(false)
  })

  test('do not verify under another key', async () => {
    const [one, two] = [await world(), await world()]
    const signed = (await one.keys.controlSigner()).sign(decision)
    expect((await two.keys.controlVerifier()).verify(signed)).toBe(false)
  })
})

describe('inspecting', () => {
  test('tells generations and problems, and no key', async () => {
    const { secrets } = await world()
    await secrets.create(
      'root',
      JSON.stringify({ v: 1, generations: [generationOf('g1', '2026-01-01T00:00:00Z', 7)] }),
    )
    await secrets.create('log', 'planted')
    const status = await inspectSecrets(secrets)
    expect(status.map(({ name }) => name)).toEqual(secretNames)
    expect(status[0]).toEqual({
      name: 'root',
      isUsable: true,
      generations: [{ id: 'g1', activeFromMs: Date.UTC(2026, 0, 1) }],
    })
    expect(status.map(each => (each.isUsable ? 'usable' : each.code))).toEqual([
      'usable',
      'SECRET_MISSING',
      'SECRET_MISSING',
      'SECRET_MALFORMED',
      'SECRET_MISSING',
    ])
    for (const hidden of ['planted', Buffer.alloc(32, 7).toString('base64url')])
      expect(JSON.stringify(status)).not.toContain(hidden)
  })
})

describe('initialising', () => {
  test('creates every secret once and overwrites none', async () => {
    const { secrets } = await world()
    const source = { now: Date.now, randomBytes }
    expect(await initSecrets(secrets, source)).toEqual(secretNames.map(name => ({ name, isCreated: true })))
    const before = await Promise.all(secretNames.map(async name => await secrets.read(name)))
    expect(await initSecrets(secrets, source)).toEqual(secretNames.map(name => ({ name, isCreated: false })))
    expect(await Promise.all(secretNames.map(async name => await secrets.read(name)))).toEqual(before)
    expect(new Set(before).size).toBe(secretNames.length)
  })
})
