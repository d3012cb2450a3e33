import { describe, expect, test } from 'vitest'
import { createAuthenticator, type AuthOutcome, type Method } from '@muniment/auth'
import { asking } from './request.ts'

type Finding = Awaited<ReturnType<Method['check']>>

const findings = {
  nothing: undefined,
  alice: { kind: 'accepted', principal: { id: 'alice', method: 'one' } },
  bob: { kind: 'accepted', principal: { id: 'bob', method: 'two' } },
  bad: { kind: 'rejected', reason: 'bad' },
  foreign: { kind: 'rejected', reason: 'foreign', isForeign: true },
  away: { kind: 'unavailable', reason: 'away' },
  narrow: { kind: 'insufficient', principal: { id: 'carol', method: 'one' }, scopes: ['x'] },
} as const satisfies Readonly<Record<string, Finding>>

type Name = keyof typeof findings

function way(name: Name, isSlow: boolean): Method {
  const found: Finding = findings[name]
  return { name, check: () => (isSlow ? Promise.resolve(found) : found) }
}

function shortly(outcome: AuthOutcome): string {
  return 'refusal' in outcome ? `${outcome.refusal.status} ${outcome.reason}` : outcome.principal.id
}

describe.each([false, true])('several ways (asked of others: %s)', isSlow => {
  test.each<[Name[], 'any' | 'all', string]>([
    [['alice', 'bob'], 'any', 'alice'],
    [['nothing', 'bob'], 'any', 'bob'],
    [['bad', 'bob'], 'any', '401 bad'],
    [['foreign', 'bob'], 'any', 'bob'],
    [['foreign', 'nothing'], 'any', '401 foreign'],
    [['foreign', 'bad'], 'any', '401 bad'],
    [['away', 'bob'], 'any', '503 away'],
    [['narrow', 'bob'], 'any', '403 scope_insufficient'],
    [['nothing', 'nothing'], 'any', '401 no_credential'],
    [['alice', 'bob'], 'all', 'alice'],
    [['alice', 'nothing'], 'all', '401 no_credential'],
    [['nothing', 'bob'], 'all', '401 no_credential'],
    [['alice', 'bad'], 'all', '401 bad'],
    [['foreign', 'bob'], 'all', '401 foreign'],
    [['alice', 'foreign'], 'all', '401 foreign'],
    [['alice', 'away'], 'all', '503 away'],
    [['alice', 'narrow'], 'all', '403 scope_insufficient'],
  ])('%j, %s of them: %s', async (names, require, expected) => {
    const both = createAuthenticator({ methods: names.map(name => way(name, isSlow)), require })
    const outcome = both.check(asking())
    expect(outcome instanceof Promise).toBe(isSlow)
    expect(shortly(await outcome)).toBe(expected)
  })
})

test('none is no authentication, and stops the start', () => {
  expect(() => createAuthenticator({ methods: [] })).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  )
})

test.each<[string, Method['check']]>([
  [
    'throws',
    () => {
      throw new Error('secret-detail')
    },
  ],
  ['rejects', async () => await Promise.reject(new Error('secret-detail'))],
])('a way that %s lets nobody in and tells nothing', async (_, check) => {
  const outcome = await createAuthenticator({ methods: [{ name: 'broken', check }] }).check(asking())
  expect(shortly(outcome)).toBe('503 authentication_failed_to_run')
  expect(JSON.stringify(outcome)).not.toContain('secret-detail')
})

test('no more wait than may, and who was verified before still gets through', async () => {
  const { promise, resolve } = Promise.withResolvers<Finding>()
  const method: Method = {
    name: 'slow',
    check: async () => await promise,
    recall: ({ target }) => (target === '/known' ? findings.alice : undefined),
  }
  const gate = createAuthenticator({ methods: [method], maxWaiting: 2 })
  const waiting = [1, 2].map(async () => await gate.check(asking()))
  expect(shortly(await gate.check(asking()))).toBe('503 too_many_waiting')
  expect(shortly(await gate.check(asking({}, { target: '/known' })))).toBe('alice')
  resolve(findings.bob)
  expect((await Promise.all(waiting)).map(shortly)).toEqual(['bob', 'bob'])
  expect(shortly(await gate.check(asking()))).toBe('bob')
})
