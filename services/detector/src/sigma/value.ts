import { AppError } from '@muniment/schema'
import { compilePattern } from './pattern.ts'

/** A value of one field of an event. */
export type Scalar = string | number | boolean | null
/** Looks a field up; an array where the field occurs several times, `undefined` where it is missing. */
export type Facts = (field: string) => Scalar | readonly Scalar[] | undefined

type Test = (value: Scalar) => boolean

const placements = ['contains', 'startswith', 'endswith'] as const
const comparisons = ['gt', 'gte', 'lt', 'lte'] as const
const known = new Set<string>([
  ...placements,
  ...comparisons,
  'all',
  'exists',
  'cased',
  'neq',
  're',
  'i',
  'm',
  's',
])

function globParts(value: string): { readonly parts: readonly string[]; readonly isPlain: boolean } {
  const parts: string[] = ['']
  for (let index = 0; index < value.length; index += 1) {
    const char = value.charAt(index)
    const next = value.charAt(index + 1)
    if (char === '\\' && (next === '*' || next === '?' || next === '\\')) {
      parts[parts.length - 1] += next
      index += 1
    } else if (char === '*') parts.push('')
    else parts[parts.length - 1] += char === '?' ? '\u{0}' : char
  }
  return { parts, isPlain: parts.length === 1 && !value.includes('?') }
}

/** Where `part` (with NUL as "any one character") occurs in `text` at or after `from`, else -1. */
function find(text: string, part: string, from: number): number {
  if (!part.includes('\u{0}')) return text.indexOf(part, from)
  for (let at = from; at + part.length <= text.length; at += 1) if (holdsAt(text, part, at)) return at
  return -1
}

function holdsAt(text: string, part: string, at: number): boolean {
  if (at < 0 || at + part.length > text.length) return false
  for (let index = 0; index < part.length; index += 1) {
    if (part[index] !== '\u{0}' && part[index] !== text[at + index]) return false
  }
  return true
}

function matchGlob(text: string, parts: readonly string[]): boolean {
  const first = parts[0] ?? ''
  const last = parts[parts.length - 1] ?? ''
  if (parts.length === 1) return text.length === first.length && holdsAt(text, first, 0)
  if (!holdsAt(text, first, 0)) return false
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = find(text, part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return text.length - last.length >= at && holdsAt(text, last, text.length - last.length)
}

function textTest(wanted: string, modifiers: ReadonlySet<string>): Test {
  const isCased = modifiers.has('cased')
  const fold = (text: string): string => (isCased ? text : text.toLowerCase())
  const pattern = fold(wanted)
  const before = modifiers.has('contains') || modifiers.has('endswith') ? '*' : ''
  const after = modifiers.has('contains') || modifiers.has('startswith') ? '*' : ''
  const { parts, isPlain } = globParts(`${before}${pattern}${after}`)
  if (isPlain) return value => fold(String(value)) === parts[0]
  return value => value !== null && matchGlob(fold(String(value)), parts)
}

function numberTest(operator: (typeof comparisons)[number], limit: number): Test {
  const compare = {
    gt: (value: number) => value > limit,
    gte: (value: number) => value >= limit,
    lt: (value: number) => value < limit,
    lte: (value: number) => value <= limit,
  }[operator]
  return value => typeof value === 'number' && compare(value)
}

function valueTest(wanted: Scalar, modifiers: ReadonlySet<string>): Test {
  const comparison = comparisons.find(name => modifiers.has(name))
  if (comparison !== undefined) return numberTest(comparison, Number(wanted))
  if (modifiers.has('re')) {
    const flags = ['i', 'm', 's'].filter(flag => modifiers.has(flag)).join('')
    const test = compilePattern(String(wanted), flags)
    return value => typeof value === 'string' && test(value)
  }
  if (wanted === null) return value => value === null
  if (typeof wanted === 'string') return textTest(wanted, modifiers)
  return value => value === wanted || String(value) === String(wanted)
}

/** One `field|modifier: values` line of a Sigma search, compiled (Sigma rules specification 2.1, "Value Modifiers"). */
export function compileField(name: string, values: readonly Scalar[]): (facts: Facts) => boolean {
  const [field = '', ...list] = name.split('|')
  const modifiers = new Set(list)
  for (const modifier of list) {
    if (!known.has(modifier))
      throw new AppError('CONFIG_INVALID', `unknown Sigma modifier ${modifier} in ${name}`)
  }
  if (modifiers.has('exists')) return facts => (facts(field) !== undefined) === (values[0] === true)
  const tests = values.map(value => valueTest(value, modifiers))
  const isMatch = modifiers.has('all')
    ? (found: readonly Scalar[]) => tests.every(test => found.some(value => test(value)))
    : (found: readonly Scalar[]) => tests.some(test => found.some(value => test(value)))
  const isNegated = modifiers.has('neq')
  return facts => {
    const found = facts(field)
    return isMatch(found === undefined ? [null] : [found].flat()) !== isNegated
  }
}
