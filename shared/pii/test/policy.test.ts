import { describe, expect, test } from 'vitest'
import { createMasker, policyIssues } from '../src/index.ts'

const given = { a: { b: [{ email: 'ada@example.org' }] }, email: 'bob@example.org' }

/** Paths that a selector leaves alone, when it names what to keep. */
const kept = (selector: string): readonly string[] =>
  createMasker({ rules: [{ paths: [selector], action: { kind: 'keep' } }] })
    .mask(JSON.stringify(given))
    .findings.filter(one => one.action === 'keep')
    .map(one => one.path)

describe('selectors', () => {
  test.each([
    ['email', ['email']],
    ['a', ['a.b[].email']],
    ['a.b[].email', ['a.b[].email']],
    ['a.*[].email', ['a.b[].email']],
    ['**.email', ['a.b[].email', 'email']],
    ['**', ['a.b[].email', 'email']],
    ['b', []],
    ['a.email', []],
    ['emai', []],
  ])('%s covers %j', (selector, paths) => {
    expect(kept(selector)).toEqual(paths)
  })
})

describe('rules', () => {
  test('the first that matches decides', () => {
    const masker = createMasker({
      rules: [
        { paths: ['a'], action: { kind: 'mask', keepLast: 3 } },
        { types: ['EMAIL'], action: { kind: 'keep' } },
      ],
    })
    expect(JSON.parse(masker.mask(JSON.stringify(given)).text)).toEqual({
      a: { b: [{ email: '[EMAIL ***org]' }] },
      email: 'bob@example.org',
    })
  })

  test('may ask for server and tool', () => {
    const masker = createMasker({ rules: [{ servers: ['crm'], tools: ['find'], action: { kind: 'keep' } }] })
    expect(masker.mask('ada@example.org', { server: 'crm', tool: 'find' }).text).toBe('ada@example.org')
    expect(masker.mask('ada@example.org', { server: 'crm', tool: 'drop' }).text).toBe('[EMAIL]')
  })

  test('leave allowed values alone, however they are written', () => {
    const masker = createMasker({ allow: ['Support@Example.org', '+1 415 555 2671'] })
    const text = 'support@example.org, +1 (415) 555-2671, ada@example.org'
    expect(masker.mask(text).text).toBe('support@example.org, +1 (415) 555-2671, [EMAIL]')
  })
})

describe('tokens', () => {
  test('are equal for equal values, whatever their spelling, and are made safe for any text', () => {
    const masker = createMasker({
      otherwise: { kind: 'token' },
      token: (type, value) => `${type}"${value}`,
    })
    const { text } = masker.mask('{"a":"Ada@Example.org","b":"ada@example.org"}')
    expect(text).toBe('{"a":"[EMAIL:EMAILadaexampleorg]","b":"[EMAIL:EMAILadaexampleorg]"}')
    expect(masker.mask(text).text).toBe(text)
  })
})

describe('a policy is refused', () => {
  test.each([
    ['that would mask nothing', { otherwise: { kind: 'keep' } }],
    ['that needs a key it has not', { otherwise: { kind: 'token' } }],
    ['whose rule can never match', { rules: [{ types: [], action: { kind: 'remove' } }] }],
    ['with an empty selector', { rules: [{ paths: [''], action: { kind: 'remove' } }] }],
    ['with a score that drops nearly everything', { minScore: 0.95 }],
  ] as const)('%s', (_, policy) => {
    expect(policyIssues(policy)).toHaveLength(1)
  })
})
