import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { isAppError, type AppError } from '@muniment/schema'
import {
  listSections,
  readConfig,
  readSection,
  sectionIssue,
  settingsMarkdown,
  type Section,
} from '../src/index.ts'

const rule = z.strictObject({
  types: z.array(z.enum(['EMAIL', 'PHONE'])).optional(),
  action: z.union([
    z.literal('remove'),
    z.strictObject({ kind: z.literal('mask'), keep_last: z.number().int().optional() }),
  ]),
})
const schema = z.strictObject({
  rules: z.array(rule).default([]),
  custom: z.record(z.string(), z.strictObject({ pattern: z.string() })).optional(),
})

function section(yaml: string): Section {
  const { pii } = readConfig({ env: {}, yaml }).sections
  if (pii === undefined) throw new Error('There is no such section.')
  return pii
}

function failure(act: () => unknown): AppError {
  try {
    act()
  } catch (error) {
    if (isAppError(error, 'CONFIG_INVALID')) return error
    throw error
  }
  throw new Error('It was accepted.')
}

describe('a section of the file', () => {
  test('is read by the schema of its reader, beside settings', () => {
    const yaml = 'tenant: acme\npii:\n  rules:\n    - types: [EMAIL]\n      action: remove\n'
    expect(readSection(section(yaml), schema)).toEqual({ rules: [{ types: ['EMAIL'], action: 'remove' }] })
    expect(readConfig({ env: {}, yaml }).interceptor.tenant).toBe('acme')
  })

  test.each(['', 'tenant: acme'])('is absent where nothing is written: %j', yaml => {
    expect(readConfig({ env: {}, yaml }).sections).toEqual({})
  })

  test.each(['pii:', 'tenant: acme\npii: ~', 'pii:\n  # rules: …'])(
    'that was left empty stops the start: %j',
    yaml => {
      expect(() => readConfig({ env: {}, yaml })).toThrow(
        /^pii in muniment\.yaml \(line \d\) is a section with nothing in it/u,
      )
    },
  )

  test('keeps its keys as they are written, also such as settings have', () => {
    const custom = { tenant: { pattern: 'a' }, 'a.b': { pattern: 'b' }, __proto: { pattern: 'c' } }
    expect(readSection(section(JSON.stringify({ pii: { custom } })), schema).custom).toEqual(custom)
  })

  test.each([
    ['pii:\n  rulse: []', 'pii.rulse in muniment.yaml (line 2) is not known.', 'Did you mean rules?'],
    [
      'pii:\n  rules:\n    - type: [EMAIL]\n      action: remove',
      'pii.rules[0].type in muniment.yaml (line 3) is not known.',
      'Did you mean types?',
    ],
    [
      'pii:\n  rules:\n    - quite_another: 1\n      action: remove',
      'pii.rules[0].quite_another in muniment.yaml (line 3) is not known.',
      'Known here: types, action.',
    ],
    [
      'pii:\n  rules:\n    - action: remove\n    - action: {kind: mask, keep: 2}',
      'pii.rules[1].action.keep in muniment.yaml (line 4) is not known.',
      'Known here: kind, keep_last.',
    ],
    [
      'pii:\n  rules:\n    - types: [EMAIL, FAX]\n      action: remove',
      'pii.rules[0].types[1] in muniment.yaml (line 3) cannot be used: Invalid option',
      'doctor --settings',
    ],
    ['pii:\n  rules: many', 'pii.rules in muniment.yaml (line 2) cannot be used: Invalid input', 'doctor'],
    ['pii: many', 'pii in muniment.yaml (line 1) cannot be used: Invalid input', 'doctor'],
    ['pii:\n  custom: {x: {pat: a}}', 'pii.custom.x.pat in muniment.yaml (line 2) is not known.', 'pattern'],
  ])('%j stops the start with path, file and line', (yaml, message, hint) => {
    const error = failure(() => readSection(section(yaml), schema))
    expect(error.message).toContain(message)
    expect(error.hint).toContain(hint)
  })

  test.each([
    ['pij: {rules: []}', 'pij is not a setting.', 'Did you mean pii?'],
    ['pii.rules: []', 'pii.rules in muniment.yaml is not a setting.', 'Write it nested, under pii:.'],
  ])('a name near it is no section: %j', (yaml, message, hint) => {
    const error = failure(() => readConfig({ env: {}, yaml }))
    expect(error.message).toBe(message)
    expect(error.hint).toContain(hint)
  })

  test('never shows what was written as a value', () => {
    const error = failure(() => readSection(section('pii: {rules: [{types: [planted], action: 7}]}'), schema))
    expect(`${error.message} ${error.hint} ${error.stack}`).not.toContain('planted')
  })

  test('lets its reader refuse a place for reasons of its own', () => {
    const error = failure(() => {
      const empty = section('pii:\n\n  rules: []')
      throw sectionIssue(empty, { path: ['rules', 0], problem: 'masks nothing.', hint: 'Add one.' })
    })
    expect(error.message).toBe('pii.rules[0] in muniment.yaml (line 3) masks nothing.')
    expect(error.hint).toBe('Add one.')
  })

  test('may be deep, and is refused rather than overflowing when it is too deep', () => {
    const deep = `pii: ${'['.repeat(20_000)}${']'.repeat(20_000)}`
    expect(failure(() => readSection(section(deep), schema)).code).toBe('CONFIG_INVALID')
  })
})

test('every section is documented in one line', () => {
  expect(settingsMarkdown()).toContain('\n| `pii` |')
  for (const { doc, roles } of listSections()) {
    expect(doc).toMatch(/^[^\n]+\.$/u)
    expect(roles).not.toHaveLength(0)
  }
})
