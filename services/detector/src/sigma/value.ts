import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { AppError } from '@muniment/schema'
import { wantedValues, type Wanted } from './encode.ts'
import type { Clause, Facts, Scalar } from './facts.ts'
import { globParts, matchGlob } from './glob.ts'
import { compilePattern } from './pattern.ts'

const comparisons = ['gt', 'gte', 'lt', 'lte'] as const
/** Parts of a point in time, UTC. */
const timeParts: Readonly<Record<string, (date: Date) => number>> = {
  minute: date => date.getUTCMinutes(),
  hour: date => date.getUTCHours(),
  day: date => date.getUTCDate(),
  week: weekOf,
  month: date => date.getUTCMonth() + 1,
  year: date => date.getUTCFullYear(),
}
const placements = ['contains', 'startswith', 'endswith']
const encodings = ['base64', 'base64offset', 'utf16', 'utf16le', 'utf16be', 'wide', 'windash', 'expand']
const known = new Set<string>([
  ...placements,
  ...comparisons,
  ...encodings,
  ...Object.keys(timeParts),
  'all',
  'exists',
  'cased',
  'neq',
  're',
  'i',
  'm',
  's',
  'cidr',
  'fieldref',
])

/** ISO 8601: the week that holds the year's first Thursday is the first. */
function weekOf(date: Date): number {
  const day = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()))
  day.setUTCDate(day.getUTCDate() + 4 - (day.getUTCDay() || 7))
  const first = Date.UTC(day.getUTCFullYear(), 0, 1)
  return Math.ceil(((day.getTime() - first) / 86_400_000 + 1) / 7)
}

interface Line {
  readonly name: string
  readonly field: string
  readonly modifiers: ReadonlySet<string>
}

interface ValueTest {
  readonly test: (value: Scalar, facts: Facts) => boolean
  readonly need?: string | undefined
}

function refuse({ name }: Line, why: string): never {
  throw new AppError('CONFIG_INVALID', `${name} ${why}`)
}

/** Literals in texts shorter than this rule nothing out. */
const shortestNeed = 3

function needOf(parts: readonly string[]): string | undefined {
  const pieces = parts.flatMap(part => part.split('\u{0}'))
  const longest = pieces.reduce((best, piece) => (piece.length > best.length ? piece : best), '')
  // Numbers and booleans are no texts, so that they would not be found there.
  const isWord = longest.length >= shortestNeed && !/^[\d.+-]*$|^true$|^false$/u.test(longest)
  return isWord ? longest.toLowerCase() : undefined
}

function textTest({ value, isCased }: Wanted, { modifiers }: Line): ValueTest {
  const fold = (text: string): string => (isCased ? text : text.toLowerCase())
  const before = modifiers.has('contains') || modifiers.has('endswith') ? '*' : ''
  const after = modifiers.has('contains') || modifiers.has('startswith') ? '*' : ''
  const { parts, isPlain } = globParts(`${before}${fold(String(value))}${after}`)
  const need = needOf(parts)
  if (isPlain) return { test: found => found !== null && fold(String(found)) === parts[0], need }
  return {
    need,
    test: (found, facts) => {
      if (found === null) return false
      const text = fold(String(found))
      facts.spend?.(text.length)
      return matchGlob(text, parts)
    },
  }
}

const compare = {
  gt: (value: number, limit: number) => value > limit,
  gte: (value: number, limit: number) => value >= limit,
  lt: (value: number, limit: number) => value < limit,
  lte: (value: number, limit: number) => value <= limit,
} as const

function numberOf(value: Scalar): number {
  if (typeof value === 'number') return value
  return typeof value === 'string' && /^-?\d{1,15}(?:\.\d{1,10})?$/u.test(value) ? Number(value) : Number.NaN
}

function numberTest(wanted: Scalar, line: Line): ValueTest | undefined {
  const part = Object.keys(timeParts).find(name => line.modifiers.has(name))
  const comparison = comparisons.find(name => line.modifiers.has(name))
  if (part === undefined && comparison === undefined) return undefined
  const limit = numberOf(wanted)
  if (Number.isNaN(limit)) return refuse(line, 'compares with something that is no number')
  const partOf = part === undefined ? undefined : timeParts[part]
  const read = (value: Scalar): number =>
    partOf === undefined ? numberOf(value) : partOf(new Date(typeof value === 'boolean' ? '' : (value ?? '')))
  if (comparison === undefined) return { test: value => read(value) === limit }
  return { test: value => compare[comparison](read(value), limit) }
}

function cidrTest(wanted: Scalar, line: Line): ValueTest {
  const [network = '', prefix = ''] = String(wanted).split('/')
  const family = isIPv6(network) ? 'ipv6' : 'ipv4'
  const bits = Number(prefix)
  if (
    !(isIPv4(network) || isIPv6(network)) ||
    prefix === '' ||
    !(bits >= 0 && bits <= (family === 'ipv4' ? 32 : 128))
  )
    return refuse(line, `has ${JSON.stringify(wanted)}, which is no network like 10.0.0.0/8`)
  const list = new BlockList()
  list.addSubnet(network, bits, family)
  const isInside = (value: string): boolean =>
    (isIPv4(value) && list.check(value, 'ipv4')) || (isIPv6(value) && list.check(value, 'ipv6'))
  return { test: value => typeof value === 'string' && isInside(value) }
}

/** Compares with another field of the same event. */
function fieldTest(wanted: Scalar, line: Line): ValueTest {
  const other = String(wanted)
  const isCased = line.modifiers.has('cased')
  const fold = (value: Scalar): string => (isCased ? String(value) : String(value).toLowerCase())
  const holds = (left: string, right: string): boolean => {
    if (line.modifiers.has('contains')) return left.includes(right)
    if (line.modifiers.has('startswith')) return left.startsWith(right)
    return line.modifiers.has('endswith') ? left.endsWith(right) : left === right
  }
  return {
    test: (value, facts) => {
      const found = facts(other)
      return found !== undefined && [found].flat().some(each => holds(fold(value), fold(each)))
    },
  }
}

function patternTest(wanted: Scalar, line: Line): ValueTest {
  const flags = ['i', 'm', 's'].filter(flag => line.modifiers.has(flag)).join('')
  const { test, cost, need } = compilePattern(String(wanted), flags)
  return {
    need,
    test: (value, facts) => {
      if (value === null) return false
      const text = String(value)
      facts.spend?.(cost(text.length))
      return test(text)
    },
  }
}

function valueTests(wanted: Scalar, line: Line, placeholders: Placeholders): readonly ValueTest[] {
  const { modifiers } = line
  const number = numberTest(wanted, line)
  if (number !== undefined) return [number]
  if (modifiers.has('re')) return [patternTest(wanted, line)]
  if (modifiers.has('cidr')) return [cidrTest(wanted, line)]
  if (modifiers.has('fieldref')) return [fieldTest(wanted, line)]
  if (wanted === null) return [{ test: value => value === null }]
  if (typeof wanted !== 'string')
    return [{ test: value => value === wanted || String(value) === String(wanted) }]
  return wantedValues(wanted, { name: line.name, modifiers, placeholders }).map(each => textTest(each, line))
}

/** Values of `%name%` in rules that use `expand`. */
export type Placeholders = Readonly<Record<string, readonly string[]>>

function lineOf(name: string): Line {
  const [field = '', ...list] = name.split('|')
  const line = { name, field, modifiers: new Set(list) }
  const unknown = list.find(modifier => !known.has(modifier))
  if (unknown !== undefined) refuse(line, `has the unknown Sigma modifier ${unknown}`)
  return line
}

function needsOf(tests: readonly ValueTest[]): readonly string[] | undefined {
  const needs = tests.map(({ need }) => need)
  return needs.every(need => need !== undefined) ? needs : undefined
}

function isMet(tests: readonly ValueTest[], found: readonly Scalar[], facts: Facts): boolean {
  return tests.some(({ test }) => found.some(value => test(value, facts)))
}

/** One `field|modifier: values` line of a Sigma search, compiled (Sigma rules specification 2.1, "Value Modifiers"). */
export function compileField(
  name: string,
  values: readonly Scalar[],
  placeholders: Placeholders = {},
): Clause {
  const line = lineOf(name)
  const { field, modifiers } = line
  if (modifiers.has('exists')) return { test: facts => (facts(field) !== undefined) === (values[0] === true) }
  const groups = values.map(value => valueTests(value, line, placeholders))
  const isNegated = modifiers.has('neq')
  const isAll = modifiers.has('all')
  const test = (facts: Facts): boolean => {
    const value = facts(field)
    const found = value === undefined ? [null] : [value].flat()
    const isMatch = isAll
      ? groups.every(tests => isMet(tests, found, facts))
      : groups.some(tests => isMet(tests, found, facts))
    return isMatch !== isNegated
  }
  if (isNegated) return { test }
  return { test, needs: isAll ? needsOf(groups[0] ?? []) : needsOf(groups.flat()) }
}
