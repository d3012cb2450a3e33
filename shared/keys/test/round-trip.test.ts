import { createSecretKey, randomBytes } from 'node:crypto'
import { createRoundTrip, type Conversation, type RoundTrip } from '@muniment/pii'
import { openState } from '@muniment/state'
import { describe, expect, test } from 'vitest'
import { openRoundTripStore, roundTripKeys, type MaskingKeys, type RoundTripStore } from '../src/index.ts'
import { createMaskingKeys } from '../src/masking.ts'

const ada: Conversation = { tenant: 'acme', principal: 'ada', conversation: 'c1' }
const generation = (id: string): MaskingKeys =>
  createMaskingKeys({ id, activeFromMs: 0, key: randomBytes(32) })
const current = generation('1')

interface Rig extends RoundTrip {
  readonly store: RoundTripStore
  readonly state: Awaited<ReturnType<typeof openState>>
  readonly clock: { ms: number }
}

async function rig(keys = current, ttlMs = 1000): Promise<Rig> {
  const state = await openState({ kind: 'memory' })
  const clock = { ms: 0 }
  const store = openRoundTripStore(state, () => clock.ms)
  const trip = createRoundTrip({
    policy: { otherwise: { kind: 'token' } },
    store,
    keys: async () => roundTripKeys(keys, randomBytes),
    now: () => clock.ms,
    ttlMs,
  })
  return { ...trip, store, state, clock }
}

async function namesIn(state: Rig['state']): Promise<readonly string[]> {
  const names: string[] = []
  for await (const name of state.list('')) names.push(name)
  return names
}

async function contents(state: Rig['state']): Promise<string> {
  let all = ''
  for await (const key of state.list(''))
    all += key + Buffer.from((await state.get(key))?.value ?? []).toString()
  return all
}

describe('the store of round trips', () => {
  test('gives back what was masked, to that conversation only', async () => {
    const { mask, restore } = await rig()
    const { text } = await mask('{"to":"ada@example.org","phone":4155552671}', ada)
    expect((await restore(text, ada)).text).toBe('{"to":"ada@example.org","phone":4155552671}')
    for (const other of [
      { ...ada, principal: 'bob' },
      { ...ada, conversation: 'c2' },
      { ...ada, tenant: 'evil' },
    ])
      expect(await restore(text, other)).toEqual({ text, restored: 0, unknown: 2 })
  })

  test('holds neither values nor names in clear', async () => {
    const { mask, state } = await rig()
    await mask('ada@example.org', {
      ...ada,
      principal: 'principal-planted',
      conversation: 'conversation-planted',
    })
    const all = await contents(state)
    expect(all).not.toBe('')
    expect(all).not.toMatch(/ada@|example|planted/u)
    expect(Buffer.from(all).toString('base64')).not.toContain(
      Buffer.from('ada@example.org').toString('base64').slice(0, 16),
    )
  })

  test('tokens of two conversations cannot be joined', async () => {
    const { mask } = await rig()
    const first = await mask('ada@example.org', ada)
    const second = await mask('ada@example.org', { ...ada, conversation: 'c2' })
    expect(first.text).not.toBe(second.text)
    expect((await mask('ada@example.org', ada)).text).toBe(first.text)
  })

  test('another key opens nothing', async () => {
    const one = await rig()
    const { text } = await one.mask('ada@example.org', ada)
    const two = createRoundTrip({
      policy: { otherwise: { kind: 'token' } },
      store: one.store,
      keys: async () => roundTripKeys(generation('2'), randomBytes),
      now: () => 0,
      ttlMs: 1000,
    })
    expect(await two.restore(text, ada)).toEqual({ text, restored: 0, unknown: 1 })
  })

  test('a row that was altered, moved or prolonged opens nothing', async () => {
    const { mask, restore, state, clock } = await rig()
    const { text } = await mask('ada@example.org', ada)
    const [key = ''] = await namesIn(state)
    const entry = await state.get(key)
    const written = Buffer.from(entry?.value ?? []).toString()
    const [row] = JSON.parse(written)
    const alter = async (change: object): Promise<void> => {
      const now = await state.get(key)
      await state.put(key, Buffer.from(JSON.stringify([{ ...row, ...change }])), now?.version)
    }
    for (const change of [
      { sealed: `${row.sealed.slice(0, -2)}AA` },
      { sealed: 'AA' },
      { expiresMs: 5000 },
    ]) {
      await alter(change)
      expect(await restore(text, ada)).toEqual({ text, restored: 0, unknown: 1 })
    }
    await alter({})
    expect(await restore(text, ada)).toMatchObject({ restored: 1 })
    clock.ms = 1000
    expect(await restore(text, ada)).toMatchObject({ restored: 0, unknown: 1 })
  })

  test('keeps every token of writers at once', async () => {
    const { mask, restore } = await rig()
    const texts = Array.from({ length: 8 }, (_, n) => `user${n}@example.org`)
    const masked = await Promise.all(texts.map(async text => mask(text, ada)))
    const restored = await Promise.all(masked.map(async ({ text }) => restore(text, ada)))
    expect(restored.map(({ text }) => text)).toEqual(texts)
  })

  test('is swept of conversations in which everything has expired', async () => {
    const { mask, store, state, clock } = await rig()
    await mask('ada@example.org', ada)
    clock.ms = 500
    await mask('bob@example.org', { ...ada, principal: 'bob' })
    expect(await store.sweep()).toBe(0)
    clock.ms = 1200
    expect(await store.sweep()).toBe(1)
    expect(await namesIn(state)).toHaveLength(1)
  })

  test('refuses a tenant whose name could lead elsewhere', async () => {
    const { store } = await rig()
    await expect(store.get({ ...ada, tenant: '../x' }, [])).rejects.toThrow('cannot be the name of a tenant')
  })
})

test('ids need the secret', () => {
  const { idOf } = roundTripKeys(current, randomBytes)
  const { idOf: other } = roundTripKeys(
    createMaskingKeys({ id: '1', activeFromMs: 0, key: createSecretKey(randomBytes(32)).export() }),
    randomBytes,
  )
  expect(idOf(ada, 'x')).not.toBe(other(ada, 'x'))
})
