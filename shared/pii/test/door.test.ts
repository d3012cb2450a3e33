import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createMasker, detect, mask, policyIssues } from '../src/index.ts'

const jsonRpc = JSON.stringify({
  jsonrpc: '2.0',
  id: 7,
  result: {
    content: [
      { type: 'text', text: JSON.stringify({ user: { email: 'ada@example.org', phone: 4155550132 } }) },
    ],
  },
})

describe('detect', () => {
  test('gives places in UTF-16 offsets of the text itself, also inside nested JSON', () => {
    const found = detect(jsonRpc)
    expect(found.map(one => [one.type, jsonRpc.slice(one.start, one.end)])).toEqual([
      ['EMAIL', 'ada@example.org'],
      ['PHONE', '4155550132'],
    ])
  })
})

describe('mask', () => {
  test('keeps outer and nested JSON valid and quotes a masked bare number', () => {
    const inner = JSON.stringify({ user: { email: '[EMAIL]', phone: '[PHONE]' } })
    expect(JSON.parse(mask(jsonRpc))).toMatchObject({ result: { content: [{ type: 'text', text: inner }] } })
  })

  test('leaves every byte outside the finds as it was', () => {
    expect(mask('{ "a" : 1.0,\t"b":"x@example.org" ,"c":1e5}')).toBe('{ "a" : 1.0,\t"b":"[EMAIL]" ,"c":1e5}')
  })

  test('valid JSON stays valid, whatever it is', () => {
    fc.assert(
      fc.property(fc.json(), text => {
        JSON.parse(mask(text))
      }),
    )
  })

  test('never throws on any string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        mask(text)
      }),
    )
  })
})

describe('createMasker', () => {
  test('reports kind, path, count and action, and nothing of the value', () => {
    const { findings } = createMasker().mask(jsonRpc)
    expect(findings).toEqual([
      { type: 'EMAIL', path: 'result.content[].text.user.email', count: 1, action: 'remove' },
      { type: 'PHONE', path: 'result.content[].text.user.phone', count: 1, action: 'remove' },
    ])
  })

  test('multiplies kinds, paths and actions', () => {
    const masker = createMasker({
      rules: [
        { types: ['EMAIL'], paths: ['a'], action: { kind: 'keep' } },
        { types: ['EMAIL'], paths: ['**.token'], action: { kind: 'token' } },
        { types: ['CREDIT_CARD'], action: { kind: 'mask', keepLast: 4 } },
      ],
      token: (type, value) => `${type.length}${value.length}`,
    })
    const given = { a: 'x@example.org', b: { note: { token: 'X@Example.org' } }, c: '4111 1111 1111 1111' }
    expect(JSON.parse(masker.mask(JSON.stringify(given)).text)).toEqual({
      a: 'x@example.org',
      b: { note: { token: '[EMAIL:vrt]' } },
      c: '[CREDIT_CARD ***1111]',
    })
  })

  test('refuses a policy that would mask nothing and says why', () => {
    expect(policyIssues({ otherwise: { kind: 'keep' } })).toHaveLength(1)
    expect(() => createMasker({ otherwise: { kind: 'keep' } })).toThrow(/would mask nothing/)
  })

  test('puts a path prefix before every path', () => {
    const { findings } = createMasker().mask('ada@example.org', { path: 'params' })
    expect(findings[0]?.path).toBe('params')
  })
})
