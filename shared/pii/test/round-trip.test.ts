import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createRoundTrip,
  type Conversation,
  type Policy,
  type RoundTrip,
  type SealPlace,
  type VaultKeys,
  type VaultRow,
} from '../src/index.ts'

const ada: Conversation = { tenant: 'acme', principal: 'ada', conversation: 'c1' }
const others: readonly Conversation[] = [
  { ...ada, principal: 'bob' },
  { ...ada, conversation: 'c2' },
  { ...ada, tenant: 'evil' },
]

const placeOf = ({ conversation, token, expiresMs }: SealPlace): string =>
  JSON.stringify([conversation, token, expiresMs])

/** Seals nothing, but opens only where it was sealed. */
const keys: VaultKeys = {
  idOf: (conversation, value) =>
    createHmac('sha256', 'k')
      .update(JSON.stringify([conversation, value]))
      .digest('hex')
      .slice(0, 32),
  seal: (place, value) => JSON.stringify([placeOf(place), value]),
  open: (place, sealed) => {
    const [at, value] = JSON.parse(sealed)
    return at === placeOf(place) ? String(value) : undefined
  },
}

interface Rig extends RoundTrip {
  readonly rows: Map<string, VaultRow[]>
  readonly clock: { ms: number }
}

const rig = (policy: Policy = { otherwise: { kind: 'token' } }, unrestored: readonly string[] = []): Rig => {
  const rows = new Map<string, VaultRow[]>()
  const clock = { ms: 0 }
  const trip = createRoundTrip({
    policy,
    store: {
      put: async (conversation, added) => {
        const name = JSON.stringify(conversation)
        rows.set(name, [...(rows.get(name) ?? []), ...added])
      },
      get: async (conversation, tokens) =>
        (rows.get(JSON.stringify(conversation)) ?? []).filter(({ token }) => tokens.includes(token)),
    },
    keys: async () => keys,
    now: () => clock.ms,
    ttlMs: 1000,
    unrestored,
  })
  return { ...trip, rows, clock }
}

const personal = fc.constantFrom(
  'ada@example.org',
  'Ada@Example.org',
  '+1 (415) 555-2671',
  '4111 1111 1111 1111',
  '8.8.4.4',
  'DE89 3704 0044 0532 0130 00',
  'write to ada@example.org, or 8.8.4.4\nnow',
  'ad\u00e4@ex\u00e4mple.org',
  'a\u200bda@example.org',
)
const leaf = fc.oneof(personal, fc.string(), fc.constantFrom(4155552671, 7, true, null))
const { value } = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.constantFrom('email', 'phone', 'note', 'ada@example.org', 'card', 'password', 'name'),
      tie('value'),
      {
        maxKeys: 4,
      },
    ),
    tie('value').map(inner => JSON.stringify(inner)),
  ),
}))
const text = fc.oneof(
  value.map(one => JSON.stringify(one)),
  value.map(one => JSON.stringify(one, undefined, 1).replaceAll('@', String.raw`\u0040`)),
  value.map(one => `note ${JSON.stringify(one)}`),
  fc.array(personal).map(parts => parts.join(' and ')),
)

describe('a round trip', () => {
  test('gives back exactly what was masked, whatever it was', async () => {
    const trip = rig()
    await fc.assert(
      fc.asyncProperty(text, async given => {
        const masked = await trip.mask(given, ada)
        const { text: restored } = await trip.restore(masked.text, ada)
        expect(restored).toBe(given)
      }),
      { numRuns: 300 },
    )
  })

  test('hides every value from the model', async () => {
    const masked = await rig().mask('{"to":"ada@example.org","card":4111111111111111}', ada)
    expect(masked.text).toMatch(/^\{"to":"\[EMAIL:[a-z]{32}\]","card":"\[CREDIT_CARD:[a-z]{32}\]"\}$/u)
    expect(masked.findings.map(({ action }) => action)).toEqual(['token', 'token'])
  })

  test('is impossible without the vault, for anybody else, and after its time', async () => {
    const trip = rig()
    const { text: masked } = await trip.mask('ada@example.org', ada)
    expect(await rig().restore(masked, ada)).toEqual({ text: masked, restored: 0, unknown: 1 })
    for (const other of others)
      expect(await trip.restore(masked, other)).toEqual({ text: masked, restored: 0, unknown: 1 })
    trip.clock.ms = 999
    expect(await trip.restore(masked, ada)).toMatchObject({ text: 'ada@example.org', restored: 1 })
    trip.clock.ms = 1000
    expect(await trip.restore(masked, ada)).toEqual({ text: masked, restored: 0, unknown: 1 })
  })

  test('gives nothing for tokens that were made up', async () => {
    const trip = rig()
    await trip.mask('ada@example.org', ada)
    const guess = `[EMAIL:${'a'.repeat(32)}]`
    expect(await trip.restore(guess, ada)).toEqual({ text: guess, restored: 0, unknown: 1 })
  })

  test('holds against a store that mixes rows up, or lets them live on', async () => {
    const trip = rig()
    const { text: first } = await trip.mask('ada@example.org', ada)
    await trip.mask('bob@example.org', { ...ada, principal: 'bob' })
    const [mine, his] = [...trip.rows.values()].flat()
    if (mine === undefined || his === undefined) throw new Error('The vault is empty.')
    const unchanged = { text: first, restored: 0, unknown: 1 }
    trip.rows.set(JSON.stringify(ada), [{ ...his, token: mine.token }])
    expect(await trip.restore(first, ada)).toEqual(unchanged)
    trip.clock.ms = 5000
    trip.rows.set(JSON.stringify(ada), [{ ...mine, expiresMs: 9000 }])
    expect(await trip.restore(first, ada)).toEqual(unchanged)
  })

  test('puts values into other places as they must be written there', async () => {
    const trip = rig({
      otherwise: { kind: 'token' },
      kinds: [{ name: 'QUOTED', pattern: '"[a-z]{3}"-[0-9]{3}' }],
    })
    const { text: masked } = await trip.mask('say "abc"-123 to 4155552671 by phone', ada)
    const [, quoted = '', phone = ''] = /say (\S+) to (\S+) by/u.exec(masked) ?? []
    const inner = JSON.stringify({ note: `x ${quoted}`, [quoted]: phone })
    const { text: restored } = await trip.restore(JSON.stringify({ arguments: { body: inner } }), ada)
    expect(JSON.parse(JSON.parse(restored).arguments.body)).toEqual({
      note: 'x "abc"-123',
      '"abc"-123': '4155552671',
    })
  })

  test('turns a masked number into a number again, and into text where it is part of one', async () => {
    const trip = rig()
    const { text: masked } = await trip.mask('{"phone":4155552671}', ada)
    const token = String(JSON.parse(masked).phone)
    const { text: restored } = await trip.restore(JSON.stringify({ to: token, note: `call ${token}!` }), ada)
    expect(restored).toBe('{"to":4155552671,"note":"call 4155552671!"}')
  })

  test('keeps the form of an address where it is asked for', async () => {
    const trip = rig({ otherwise: { kind: 'token', keepsShape: true } })
    const { text: masked } = await trip.mask('{"email":"ada@example.org","ip":"8.8.4.4"}', ada)
    expect(JSON.parse(masked).email).toMatch(/^[a-z]{32}@masked\.invalid$/u)
    expect((await trip.restore(masked, ada)).text).toBe('{"email":"ada@example.org","ip":"8.8.4.4"}')
  })

  test('fails where the vault cannot hold what it must: nothing goes out', async () => {
    const trip = createRoundTrip({
      policy: { otherwise: { kind: 'token' } },
      store: { put: async () => Promise.reject(new Error('full')), get: async () => [] },
      keys: async () => keys,
      now: () => 0,
      ttlMs: 1000,
    })
    await expect(trip.mask('ada@example.org', ada)).rejects.toThrow('full')
  })

  test('never restores what the policy removes', async () => {
    const trip = rig({ rules: [{ types: ['EMAIL'], action: { kind: 'token' } }] })
    const { text: masked } = await trip.mask('ada@example.org 8.8.4.4', ada)
    expect((await trip.restore(masked, ada)).text).toBe('ada@example.org [IP_ADDRESS]')
  })

  test('waits for nothing where vault and keys are there at once', () => {
    const rows: VaultRow[] = []
    const trip = createRoundTrip({
      policy: { otherwise: { kind: 'token' } },
      store: { put: (_, added) => rows.push(...added), get: () => rows },
      keys: () => keys,
      now: () => 0,
      ttlMs: 1000,
    })
    const masked = trip.mask('ada@example.org', ada)
    if (masked instanceof Promise) throw new Error('It waits.')
    expect(trip.restore(masked.text, ada)).toEqual({ text: 'ada@example.org', restored: 1, unknown: 0 })
  })

  test('leaves tokens alone where they are not to be restored', async () => {
    const trip = rig({ otherwise: { kind: 'token' } }, ['_meta', 'list[].id'])
    const { text: token } = await trip.mask('ada@example.org', ada)
    const given = { to: token, _meta: { a: [token] }, list: [{ id: token, name: token }] }
    const { text: restored } = await trip.restore(JSON.stringify(given), ada)
    expect(JSON.parse(restored)).toEqual({
      to: 'ada@example.org',
      _meta: { a: [token] },
      list: [{ id: token, name: 'ada@example.org' }],
    })
  })
})
