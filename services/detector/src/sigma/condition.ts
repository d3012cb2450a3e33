import { AppError } from '@muniment/schema'
import { globParts, matchGlob } from './glob.ts'
import { allOf, noneOf, someOf, type Clause } from './facts.ts'

interface Cursor {
  readonly tokens: readonly string[]
  readonly searches: ReadonlyMap<string, Clause>
  readonly text: string
  at: number
}

function fail(cursor: Cursor, why: string): never {
  throw new AppError('CONFIG_INVALID', `the Sigma condition ${JSON.stringify(cursor.text)} ${why}`)
}

function selected(cursor: Cursor, pattern: string): readonly Clause[] {
  const names = [...cursor.searches.keys()].filter(name => !name.startsWith('_'))
  const { parts } = globParts(pattern)
  const isWanted = (name: string): boolean => pattern === 'them' || matchGlob(name, parts)
  const tests = names.filter(isWanted).flatMap(name => cursor.searches.get(name) ?? [])
  if (tests.length === 0) fail(cursor, `selects nothing by ${pattern}`)
  return tests
}

function parsePrimary(cursor: Cursor, depth: number): Clause {
  const token = cursor.tokens[cursor.at] ?? fail(cursor, 'ends too early')
  cursor.at += 1
  if (depth > 32) fail(cursor, 'is nested too deeply')
  if (token.toLowerCase() === 'not') return noneOf(parsePrimary(cursor, depth + 1))
  if (token === '(') {
    const inner = parseOr(cursor, depth + 1)
    if (cursor.tokens[cursor.at] !== ')') fail(cursor, 'lacks a closing parenthesis')
    cursor.at += 1
    return inner
  }
  if (cursor.tokens[cursor.at]?.toLowerCase() === 'of') return parseOf(cursor, token.toLowerCase())
  return cursor.searches.get(token) ?? fail(cursor, `names ${token}, which is no search`)
}

function parseOf(cursor: Cursor, quantity: string): Clause {
  const clauses = selected(cursor, cursor.tokens[cursor.at + 1] ?? '')
  cursor.at += 2
  if (quantity === 'all') return allOf(clauses)
  if (quantity === '1' || quantity === 'any') return someOf(clauses)
  return fail(cursor, `has the quantity ${quantity}`)
}

function parseAnd(cursor: Cursor, depth: number): Clause {
  const clauses = [parsePrimary(cursor, depth)]
  while (cursor.tokens[cursor.at]?.toLowerCase() === 'and') {
    cursor.at += 1
    clauses.push(parsePrimary(cursor, depth))
  }
  return allOf(clauses)
}

function parseOr(cursor: Cursor, depth: number): Clause {
  const clauses = [parseAnd(cursor, depth)]
  while (cursor.tokens[cursor.at]?.toLowerCase() === 'or') {
    cursor.at += 1
    clauses.push(parseAnd(cursor, depth))
  }
  return someOf(clauses)
}

/** A Sigma condition over named searches (Sigma rules specification 2.1, "Condition"). */
export function compileCondition(text: string, searches: ReadonlyMap<string, Clause>): Clause {
  const tokens = text.match(/[()]|[^\s()]+/gu) ?? []
  const cursor: Cursor = { tokens, searches, text, at: 0 }
  const clause = parseOr(cursor, 0)
  if (cursor.at !== tokens.length) fail(cursor, `goes on after its end at ${tokens[cursor.at] ?? ''}`)
  return clause
}
