import { describe, expect, test } from 'vitest'
import { createMasker, piiTypes, policyIssues, type Policy } from '../src/index.ts'

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

describe('places that keep their form', () => {
  const personal = {
    mail: 'ada@example.org',
    phone: 4155552671,
    card: '4111 1111 1111 1111',
    ip: '8.8.4.4',
    name: 'Ada Lovelace',
  }

  test.each<[string, Policy, object]>([
    [
      'token',
      { otherwise: { kind: 'token' } },
      {
        mail: 'abcdef@masked.invalid',
        phone: 0,
        card: '0000 0000 0000 0000',
        ip: '0.0.0.0',
        name: '[NAME:abcdef]',
      },
    ],
    [
      'mask',
      { otherwise: { kind: 'mask' } },
      { mail: 'x@masked.invalid', phone: 0, card: '0000 0000 0000 0000', ip: '0.0.0.0', name: '[NAME]' },
    ],
    [
      'keep',
      {
        rules: [{ types: ['EMAIL', 'PHONE', 'CREDIT_CARD', 'IP_ADDRESS', 'NAME'], action: { kind: 'keep' } }],
      },
      personal,
    ],
  ])('do so whatever the action: %s', (_, policy, shaped) => {
    const { mask } = createMasker({ ...policy, token: () => 'abcdef', shapedAt: ['a.form'] })
    const { a, b } = JSON.parse(mask(JSON.stringify({ a: { form: personal }, b: personal })).text)
    expect(a.form).toEqual(shaped)
    if (policy.otherwise !== undefined) expect(b.card).toMatch(/^\[CREDIT_CARD/u)
  })
})

describe('tokens', () => {
  test('are equal for equal values, whatever their spelling, and are made safe for any text', () => {
    const masker = createMasker({
      otherwise: { kind: 'token' },
      token: (type, value) => `${type}"${value}`,
    })
    const { text } = masker.mask('{"a":"Ada@Example.org","b":"ada@example.org"}')
    expect(text).toBe('{"a":"[EMAIL:emailadaexampleorg]","b":"[EMAIL:emailadaexampleorg]"}')
    expect(masker.mask(text).text).toBe(text)
  })
})

describe('a policy is refused', () => {
  const keep = { kind: 'keep' } as const
  const remove = { kind: 'remove' } as const
  const kind = { name: 'BADGE', pattern: 'B-[0-9]{4}' }
  test.each([
    ['that would mask nothing', { otherwise: keep }, [], 'mask nothing'],
    ['that would mask nothing by its rules', { rules: [{ action: keep }] }, [], 'mask nothing'],
    [
      'that keeps kind by kind',
      {
        rules: [
          { types: piiTypes, action: keep },
          { paths: ['a'], action: keep },
        ],
        otherwise: keep,
      },
      [],
      'mask nothing',
    ],
    [
      'with a rule behind one for everything',
      { rules: [{ action: remove }, { types: ['EMAIL'], action: keep }] },
      ['rules', 1],
      'never reached',
    ],
    ['that needs a key it has not', { otherwise: { kind: 'token' } }, ['token'], 'keyed function'],
    [
      'whose rule can never match',
      { rules: [{ types: [], action: remove }] },
      ['rules', 0, 'types'],
      'never matches',
    ],
    [
      'with a kind that is not there',
      { rules: [{ types: ['FAX'], action: remove }] },
      ['rules', 0, 'types', 0],
      'no kind',
    ],
    [
      'with an empty selector',
      { rules: [{ paths: [''], action: remove }] },
      ['rules', 0, 'paths', 0],
      '1 to 256',
    ],
    ['with an empty allowed value', { allow: ['x', ' '] }, ['allow', 1], 'empty'],
    ['with a score that drops nearly everything', { minScore: 0.95 }, ['minScore'], 'between 0 and 0.6'],
    ['with a kind named like ours', { kinds: [{ ...kind, name: 'EMAIL' }] }, ['kinds', 'EMAIL'], 'already'],
    [
      'with a kind whose name is no name',
      { kinds: [{ ...kind, name: 'badge1' }] },
      ['kinds', 'badge1'],
      'capitals',
    ],
    [
      'with a pattern that is not linear',
      { kinds: [{ ...kind, pattern: '(ab)\\1' }] },
      ['kinds', 'BADGE', 'pattern'],
      'linear',
    ],
    [
      'with words that are none',
      { kinds: [{ ...kind, words: ['two words'] }] },
      ['kinds', 'BADGE', 'words'],
      'single words',
    ],
  ] as const)('%s', (...[, policy, path, problem]) => {
    expect(policyIssues(policy)).toEqual([{ path, problem: expect.stringContaining(problem) }])
    expect(() => createMasker(policy)).toThrow(RangeError)
  })
})

describe('surfaces', () => {
  test('may have rules of their own', () => {
    const masker = createMasker({ rules: [{ surfaces: ['model'], action: { kind: 'mask' } }] })
    expect(masker.mask('ada@example.org', { surface: 'model' }).text).toBe('[EMAIL ***eorg]')
    expect(masker.mask('ada@example.org', { surface: 'archive' }).text).toBe('[EMAIL]')
    expect(masker.mask('ada@example.org').text).toBe('[EMAIL]')
  })
})

describe('replacements that keep the shape', () => {
  const masker = createMasker({ otherwise: { kind: 'remove', keepsShape: true } })
  test.each([
    ['{"email":"ada@example.org"}', '{"email":"x@masked.invalid"}'],
    ['{"phone":"+1 (415) 555-2671"}', '{"phone":"+0 (000) 000-0000"}'],
    ['{"phone":4155552671}', '{"phone":0}'],
    ['{"ip":"8.8.4.4"}', '{"ip":"0.0.0.0"}'],
    ['{"ip":"2001:4860:4860::8888"}', '{"ip":"::"}'],
    ['{"date_of_birth":"1990-04-01"}', '{"date_of_birth":"0001-01-01"}'],
    ['{"ssn":"536-22-8726"}', '{"ssn":"000-00-0000"}'],
    ['{"iban":"DE89370400440532013000"}', '{"iban":"XX00000000000000000000"}'],
    ['{"password":"hunter2!x"}', '{"password":"[SECRET]"}'],
  ])('%s → %s', (text, expected) => {
    expect(masker.mask(text).text).toBe(expected)
    expect(masker.mask(expected).text).toBe(expected)
  })

  test('carry a token where one is asked for', () => {
    const tokens = createMasker({ otherwise: { kind: 'token', keepsShape: true }, token: () => '0f' })
    expect(tokens.mask('ada@example.org').text).toBe('qf@masked.invalid')
    expect(tokens.mask('qf@masked.invalid').text).toBe('qf@masked.invalid')
  })

  test('are no cover for anything else', () => {
    expect(masker.mask('4111111111111111@masked.invalid').text).not.toContain('4111')
  })
})

describe('placeholders', () => {
  test.each([
    '[EMAIL 4111 1111 1111 1111]',
    '[EMAIL:4111111111111111]',
    '[CREDIT_CARD#4111-1111-1111-1111]',
    '[PHONE ***4111111111111111]',
    '[NAME:ada@example.org]',
  ])('are no cover for values: %s', text => {
    expect(createMasker().mask(text).findings).toHaveLength(1)
  })
})
