import { describe, expect, test } from 'vitest'
import type { StateStore } from '@muniment/state'
import { createHolds } from '../src/index.ts'
import { cacheTtlMs, codeOf, world } from './world.ts'

const ada = { kind: 'EMAIL', value: 'ada@example.com' }
const bob = { kind: 'EMAIL', value: 'bob@example.com' }

async function everything(state: StateStore): Promise<string> {
  let all = ''
  for await (const place of state.list(''))
    all += place + Buffer.from((await state.get(place))?.value ?? []).toString('latin1')
  return all
}

describe('the token vault', () => {
  test('gives equal values one token, in every process, and others another', async () => {
    const { keys, another } = await world()
    const [first, second] = await keys.vault.tokens('acme', [ada, bob])
    expect(first).toMatch(/^[a-fq-z]{32}$/u)
    expect(await another().vault.tokens('acme', [bob, ada])).toEqual([second, first])
    expect(await keys.vault.tokens('beta', [ada])).not.toEqual([first])
    expect(await keys.vault.tokens('acme', [{ ...ada, kind: 'OTHER' }])).not.toEqual([first])
  })

  test('of several processes that meet a value first, one makes the token', async () => {
    const { another } = await world()
    const tokens = await Promise.all(
      Array.from({ length: 8 }, async () => (await another().vault.tokens('acme', [ada]))[0]),
    )
    expect(new Set(tokens).size).toBe(1)
  })

  test('keeps values, and what would tell them apart, out of the state', async () => {
    const { keys, state } = await world()
    const [token = ''] = await keys.vault.tokens('acme', [ada])
    const all = await everything(state)
    expect(all).toContain('vault/acme/')
    for (const text of [ada.value, 'EMAIL', token]) expect(all).not.toContain(text)
  })

  test('reveals a value only as long as its row is there', async () => {
    const { keys, another } = await world()
    const [token = '', other = ''] = await keys.vault.tokens('acme', [ada, bob])
    expect(await keys.vault.reveal('acme', token)).toEqual(ada)
    expect(await keys.vault.reveal('beta', token)).toBeUndefined()
    expect(await keys.vault.erase('acme', ada)).toEqual([token])
    for (const each of [keys, another()]) {
      expect(await each.vault.reveal('acme', token)).toBeUndefined()
      expect(await each.vault.find('acme', ada)).toBeUndefined()
      expect(await each.vault.reveal('acme', other)).toEqual(bob)
    }
    expect(await keys.vault.erase('acme', ada)).toEqual([])
    expect(await keys.vault.tokens('acme', [ada])).not.toEqual([token])
  })

  test('keeps tokens when the secret turns over, and lets its old generation go', async () => {
    const { keys, another, pass } = await world()
    const before = await keys.vault.tokens('acme', [ada, bob])
    const old = (await keys.maskingKeys()).generation
    await keys.admin.rotate('masking')
    pass(3 * cacheTtlMs)
    expect(await another().vault.tokens('acme', [ada, bob])).toEqual(before)
    expect(await keys.vault.rewrap()).toBe(2)
    for await (const place of keys.vault.under(old)) expect(place).toBe('gone')
    await keys.admin.retire('masking', old)
    expect(await another().vault.tokens('acme', [ada, bob])).toEqual(before)
  })

  test('loses all rows of a tenant at once, and no other', async () => {
    const { keys } = await world()
    await keys.vault.tokens('acme', [ada, bob])
    const kept = await keys.vault.tokens('acme.eu', [ada])
    expect(await keys.vault.eraseTenant('acme')).toBe(2)
    expect(await keys.vault.find('acme', ada)).toBeUndefined()
    expect(await keys.vault.tokens('acme.eu', [ada])).toEqual(kept)
  })

  test('refuses a row that was altered or moved, without telling what was in it', async () => {
    const { keys, state } = await world()
    await keys.vault.tokens('acme', [ada, bob])
    const places: string[] = []
    for await (const place of state.list('vault/')) places.push(place)
    const [first = '', second = ''] = places
    const [one, two] = [await state.get(first), await state.get(second)]
    await state.put(first, two?.value ?? Buffer.of(), one?.version)
    expect(await codeOf(keys.vault.tokens('acme', [ada, bob]))).toBe('KEY_WRONG')
    await state.put(second, Buffer.alloc(3), two?.version)
    expect(await codeOf(keys.vault.reveal('acme', 'x'))).toBe('KEY_WRONG')
  })
})

describe('legal holds', () => {
  const hold = { tenant: 'acme', reason: 'case 7', by: 'counsel', sinceMs: 5 }

  test('block a tenant and everybody in it, until they are released', async () => {
    const { state } = await world()
    const holds = createHolds(state)
    expect(await holds.set(hold)).toBe(true)
    expect(await holds.set({ ...hold, reason: 'another' })).toBe(false)
    expect(await holds.list()).toEqual([hold])
    expect(await codeOf(holds.assertNone({ tenant: 'acme' }))).toBe('LEGAL_HOLD')
    expect(await codeOf(holds.assertNone({ tenant: 'acme', person: 'aa' }))).toBe('LEGAL_HOLD')
    expect(await codeOf(holds.assertNone({ tenant: 'acme.eu' }))).toBe('no error')
    expect(await holds.release(hold)).toBe(true)
    expect(await holds.release(hold)).toBe(false)
    expect(await codeOf(holds.assertNone({ tenant: 'acme' }))).toBe('no error')
  })

  test('on a person block that person and the whole tenant, and nobody else', async () => {
    const holds = createHolds((await world()).state)
    await holds.set({ ...hold, person: 'aa' })
    expect(await codeOf(holds.assertNone({ tenant: 'acme', person: 'aa' }))).toBe('LEGAL_HOLD')
    expect(await codeOf(holds.assertNone({ tenant: 'acme' }))).toBe('LEGAL_HOLD')
    expect(await codeOf(holds.assertNone({ tenant: 'acme', person: 'bb' }))).toBe('no error')
  })

  test('hold even where what was written about them cannot be read', async () => {
    const { state } = await world()
    await state.put('holds/acme/-', Buffer.from('{'), undefined)
    expect(await codeOf(createHolds(state).assertNone({ tenant: 'acme' }))).toBe('LEGAL_HOLD')
  })
})
