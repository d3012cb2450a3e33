import { AppError } from '@muniment/schema'
import type { Facts } from './value.ts'

type Test = (facts: Facts) => boolean
interface Cursor {
  readonly tokens: readonly string[]
  readonly searches: ReadonlyMap<string, Test>
  readonly text: string
  at: number
}

function fail(cursor: Cursor, why: string): never {
  throw new AppError('CONFIG_INVALID', `the Sigma condition ${JSON.stringify(cursor.text)} ${why}`)
}

function selected(cursor: Cursor, pattern: string): readonly Test[] {
  const names = [...cursor.searches.keys()].filter(name => !name.startsWith('_'))
  const prefix = pattern.endsWith('*') ? pattern.slice(0, -1) : undefined
  const isWanted = (name: string): boolean =>
    pattern === 'them' || (prefix === undefined ? name === pattern : name.startsWith(prefix))
  const tests = names.filter(isWanted).flatMap(name => cursor.searches.get(name) ?? [])
  if (tests.length === 0) fail(cursor, `selects nothing by ${pattern}`)
  return tests
}

function parsePrimary(cursor: Cursor, depth: number): Test {
  const token = cursor.tokens[cursor.at] ?? fail(cursor, 'ends too early')
  cursor.at += 1
  if (depth > 32) fail(cursor, 'is nested too deeply')
  if (token === 'not') {
    const inner = parsePrimary(cursor, depth + 1)
    return facts => !inner(facts)
  }
  if (token === '(') {
    const inner = parseOr(cursor, depth + 1)
    if (cursor.tokens[cursor.at] !== ')') fail(cursor, 'lacks a closing parenthesis')
    cursor.at += 1
    return inner
  }
  if (cursor.tokens[cursor.at] === 'of') return parseOf(cursor, token)
  return cursor.searches.get(token) ?? fail(cursor, `names ${token}, which is no search`)
}

function parseOf(cursor: Cursor, quantity: string): Test {
  const tests = selected(cursor, cursor.tokens[cursor.at + 1] ?? '')
  cursor.at += 2
  if (quantity === 'all') return facts => tests.every(test => test(facts))
  if (quantity === '1' || quantity === 'any') return facts => tests.some(test => test(facts))
  return fail(cursor, `has the quantity ${quantity}`)
}

function parseAnd(cursor: Cursor, depth: number): Test {
  const tests = [parsePrimary(cursor, depth)]
  while (cursor.tokens[cursor.at] === 'and') {
    cursor.at += 1
    tests.push(parsePrimary(cursor, depth))
  }
  return tests.length === 1 && tests[0] !== undefined ? tests[0] : facts => tests.every(test => test(facts))
}

function parseOr(cursor: Cursor, depth: number): Test {
  const tests = [parseAnd(cursor, depth)]
  while (cursor.tokens[cursor.at] === 'or') {
    cursor.at += 1
    tests.push(parseAnd(cursor, depth))
  }
  return tests.length === 1 && tests[0] !== undefined ? tests[0] : facts => tests.some(test => test(facts))
}

/** A Sigma condition over named searches (Sigma rules specification 2.1, "Condition"). */
export function compileCondition(text: string, searches: ReadonlyMap<string, Test>): Test {
  const tokens = text.match(/[()]|[^\s()]+/gu) ?? []
  const cursor: Cursor = { tokens, searches, text, at: 0 }
  const test = parseOr(cursor, 0)
  if (cursor.at !== tokens.length) fail(cursor, `goes on after its end at ${tokens[cursor.at] ?? ''}`)
  return test
}
