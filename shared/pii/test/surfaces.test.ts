import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { resolveMasking, type MaskingAsk, type MaskingDecision } from '../src/index.ts'
import { piiRules, piiSectionSchema } from '../src/section.ts'

const bit = fc.constantFrom(undefined, true, false)

const decide = (
  policy: boolean | undefined,
  setting: boolean | undefined,
  more: { header?: string; relaxFor?: string[]; principal?: string } = {},
): MaskingDecision =>
  resolveMasking({
    policy: { beforeLlm: { isMasked: policy, relaxFor: more.relaxFor ?? [] }, inLogs: {} },
    settings: { beforeLlm: setting },
    headers: { beforeLlm: more.header },
    principal: more.principal,
  }).beforeLlm

describe('whether a result is masked before the model', () => {
  test.each([
    [undefined, undefined, undefined, false, 'default'],
    [undefined, true, undefined, true, 'setting'],
    [undefined, false, undefined, false, 'setting'],
    [true, undefined, undefined, true, 'policy'],
    [true, false, undefined, true, 'policy'],
    [false, true, undefined, true, 'setting'],
    [false, undefined, undefined, false, 'policy'],
    [undefined, undefined, 'true', true, 'header'],
    [false, false, 'true', true, 'header'],
    [false, false, ' ON ', true, 'header'],
    [false, false, '', true, 'header'],
    [false, false, 'true, false', true, 'header'],
    [false, false, 'perhaps', true, 'header'],
    [false, false, 'false', false, 'setting'],
    [undefined, undefined, '0', false, 'default'],
  ] as const)('policy %s, setting %s, header %s: %s, by %s', (...row) => {
    const [policy, setting, header, isMasked, by] = row
    const more = header === undefined ? {} : { header }
    expect(decide(policy, setting, more)).toEqual({ isMasked, by, isHeaderRefused: false })
  })

  test.each([
    ['nobody may', [], 'ada', false],
    ['she may', ['ada'], 'ada', true],
    ['another may', ['bob'], 'ada', false],
    ['everybody may', ['*'], undefined, true],
    ['who is not known may not', ['ada'], undefined, false],
    ['no one is called *', ['ada'], '*', false],
  ] as const)(
    'a header that asks for less is heard only where the policy says for whom: %s',
    (...[, relaxFor, principal, isHeard]) => {
      const more = { header: 'false', relaxFor: [...relaxFor], ...(principal && { principal }) }
      for (const [policy, setting] of [
        [true, undefined],
        [undefined, true],
      ] as const)
        expect(decide(policy, setting, more)).toMatchObject({ isMasked: !isHeard, isHeaderRefused: !isHeard })
    },
  )

  test('no header weakens anything that its sender may not', () => {
    fc.assert(
      fc.property(bit, bit, fc.string(), (policy, setting, header) => {
        const without = decide(policy, setting)
        expect(decide(policy, setting, { header }).isMasked || !without.isMasked).toBe(true)
      }),
    )
  })
})

test('logs are masked where nobody says anything', () => {
  const ask: MaskingAsk = { policy: { beforeLlm: {}, inLogs: {} }, settings: {}, headers: {} }
  expect(resolveMasking(ask).inLogs).toEqual({ isMasked: true, by: 'default', isHeaderRefused: false })
})

describe('the section', () => {
  test('says the same as a policy', () => {
    const section = piiSectionSchema.parse({
      rules: [
        { types: ['CREDIT_CARD'], action: { kind: 'mask', keep_last: 2 } },
        {
          types: ['EMAIL'],
          servers: ['crm'],
          surfaces: ['model'],
          action: { kind: 'token', keeps_shape: true },
        },
      ],
      otherwise: 'hash',
      kinds: { BADGE: { pattern: 'B-[0-9]{4}', validator: 'luhn', words: ['badge'] } },
      allow: ['support@example.org'],
      min_score: 0.5,
      before_llm: true,
      in_logs: { relax_for: ['ada'] },
    })
    expect(piiRules(section)).toEqual({
      policy: {
        rules: [
          { types: ['CREDIT_CARD'], action: { kind: 'mask', keepLast: 2 } },
          {
            types: ['EMAIL'],
            servers: ['crm'],
            surfaces: ['model'],
            action: { kind: 'token', keepsShape: true },
          },
        ],
        otherwise: { kind: 'hash' },
        kinds: [{ name: 'BADGE', pattern: 'B-[0-9]{4}', validator: 'luhn', words: ['badge'] }],
        allow: ['support@example.org'],
        minScore: 0.5,
      },
      surfaces: { beforeLlm: { isMasked: true }, inLogs: { isMasked: undefined, relaxFor: ['ada'] } },
    })
  })

  test('may be empty', () => {
    expect(piiRules(piiSectionSchema.parse({}))).toEqual({
      policy: {},
      surfaces: { beforeLlm: {}, inLogs: {} },
    })
  })
})
