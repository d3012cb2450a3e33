import { describe, expect, test } from 'vitest'
import { compilePack } from '../src/sigma/pack.ts'
import type { Rule } from '../src/sigma/rule.ts'
import type { Facts, Scalar } from '../src/sigma/facts.ts'

function compileRule(name: string, text: string): Rule {
  const [compiled] = compilePack([{ name, text }]).rules
  if (compiled === undefined) throw new Error('no rule was compiled')
  return compiled
}

function rule(detection: string, rest = ''): string {
  return `title: t\nid: 8a3b7a0e-3c86-4d53-9f0e-5f1d6d0a7c11\nlogsource: { product: mcp }\ndetection:\n${detection}\n${rest}`
}

function facts(values: Readonly<Record<string, Scalar | readonly Scalar[]>>): Facts {
  return field => Object.entries(values).find(([name]) => name === field)?.[1]
}

function matches(detection: string, values: Readonly<Record<string, Scalar | readonly Scalar[]>>): boolean {
  return compileRule('r', rule(detection)).matches(facts(values))
}

const one = (line: string): string => `  s: { ${line} }\n  condition: s`

const modifiers: readonly (readonly [line: string, value: Scalar | readonly Scalar[], isMatch: boolean])[] = [
  ['f: Abc', 'aBC', true],
  ['f: abc', 'abcd', false],
  ['f: a*c', 'a-b-c', true],
  ['f: a?c', 'abc', true],
  ['f: a?c', 'ac', false],
  ["f: 'a\\*c'", 'a*c', true],
  ["f: 'a\\*c'", 'abc', false],
  ['f|contains: b', 'abc', true],
  ['f|startswith: b', 'abc', false],
  ['f|endswith: c', 'abc', true],
  ['f|contains: [x, b]', 'abc', true],
  ['f|contains|all: [x, b]', 'abc', false],
  ['f|contains|all: [a, b]', 'abc', true],
  ['f|cased: Abc', 'abc', false],
  ['f|neq: abc', 'abd', true],
  ["f|re: '^a.{2}$'", 'abc', true],
  ['f|re: ^A', 'abc', false],
  ['f|re|i: ^A', 'abc', true],
  ['f|gte: 3', 3, true],
  ['f|lt: 3', 3, false],
  ['f|gt: 3', 'many', false],
  ['f|exists: true', 'x', true],
  ['g|exists: false', 'x', true],
  ['g: null', 'x', true],
  ['f: 7', 7, true],
  ['f: b', ['a', 'b'], true],
]

test.each(modifiers)('%s on %s: %s', (line, value, isMatch) => {
  expect(matches(one(line), { f: value })).toBe(isMatch)
})

const searches = '  a: { f: 1 }\n  b: { g: 1 }\n  _c: { h: 1 }\n'
const conditions: readonly (readonly [
  condition: string,
  values: Readonly<Record<string, Scalar>>,
  isMatch: boolean,
])[] = [
  ['a and b', { f: 1, g: 1 }, true],
  ['a and not b', { f: 1, g: 1 }, false],
  ['a or b and _c', { f: 1 }, true],
  ['(a or b) and _c', { f: 1 }, false],
  ['1 of them', { g: 1 }, true],
  ['all of them', { g: 1 }, false],
  ['all of them', { f: 1, g: 1 }, true],
  ['1 of a*', { g: 1 }, false],
  ['not 1 of them', { h: 1 }, true],
]

test.each(conditions)('condition %s on %o: %s', (condition, values, isMatch) => {
  expect(matches(`${searches}  condition: ${condition}`, values)).toBe(isMatch)
})

test('a list of maps matches where one of them does', () => {
  const detection = '  s:\n    - { f: 1 }\n    - { g: 2 }\n  condition: s'
  expect(matches(detection, { g: 2 })).toBe(true)
  expect(matches(detection, { g: 1 })).toBe(false)
})

describe('a rule that cannot be trusted is refused by name', () => {
  test.each([
    ['an unknown modifier', rule(one('f|base65: x'))],
    ['a search that is not there', rule('  s: { f: 1 }\n  condition: s and t')],
    ['a condition that breaks off', rule('  s: { f: 1 }\n  condition: s and')],
    ['a pattern that repeats a repeat', rule(one("f|re: '(a+)+b'"))],
    ['a pattern with two unbounded repeats', rule(one("f|re: 'a.*b.*c'"))],
    ['a pattern that multiplies bounded repeats', rule(one("f|re: '(?:a{1,500}b){1,500}'"))],
    ['a pattern that refers back', rule(one("f|re: '(a)\\1'"))],
    ['an unknown key in the extra block', rule(one('f: 1'), 'muniment: { dedub: 1 }')],
    [
      'a field that rules cannot group by',
      rule(one('f: 1'), 'muniment: { dedup: { keys: [ip], period: 1h } }'),
    ],
    ['no id', 'title: t\ndetection: { s: { f: 1 }, condition: s }'],
    ['text that is no YAML', 'title: [t'],
  ])('%s', (_, source) => {
    expect(() => compileRule('made-up', source)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    expect(() => compileRule('made-up', source)).toThrow(/made-up/u)
  })
})

test('plain Sigma without the extra block runs as it is', () => {
  const compiled = compileRule(
    'plain',
    rule(
      '  selection:\n    target|startswith: drop_\n  filter:\n    principal: admin\n  condition: selection and not filter',
      'level: high\ntags: [attack.t1485]',
    ),
  )
  expect(compiled.severity).toBe(4)
  expect(compiled.matches(facts({ target: 'drop_table', principal: 'eve' }))).toBe(true)
  expect(compiled.matches(facts({ target: 'drop_table', principal: 'admin' }))).toBe(false)
})
