import { isAsciiAlnum } from '../chars.ts'
import { at, isMaskedAt, type Leaf, startsWith } from '../leaf.ts'

const NAME_MAX = 24
const BLANKS_MAX = 3
const QUOTED_MAX = 256
const BARE_MAX = 128
const VALUE_MIN = 4

interface Span {
  readonly start: number
  readonly end: number
}

const isQuote = (c: number): boolean => c === 34 || c === 39 || c === 96

const overBlanks = (leaf: Leaf, from: number): number => {
  let i = from
  while (i - from < BLANKS_MAX && at(leaf, i) === 32) i++
  return i
}

/** Over what may still belong to the name: `_value`, a closing quote, a bracket. */
const overName = (leaf: Leaf, from: number): number => {
  let i = from
  while (i - from < NAME_MAX && (isAsciiAlnum(at(leaf, i)) || at(leaf, i) === 95 || at(leaf, i) === 45)) i++
  if (isQuote(at(leaf, i))) i++
  return at(leaf, i) === 41 ? i + 1 : i
}

/** `:=`, `=>`, `==`, `:` or `=`. */
const overSign = (leaf: Leaf, from: number): number => {
  const c = at(leaf, from)
  if (c !== 58 && c !== 61) return -1
  const next = at(leaf, from + 1)
  return next === 61 || (c === 61 && next === 62) ? from + 2 : from + 1
}

/** Whether the word that ends here belongs to an option of a command: `--password`, `-Password`, `--db-password`. */
const isFlag = (leaf: Leaf, end: number): boolean => {
  let i = end
  while (
    end - i < NAME_MAX &&
    (isAsciiAlnum(at(leaf, i - 1)) || at(leaf, i - 1) === 45 || at(leaf, i - 1) === 95)
  )
    i--
  return at(leaf, i) === 45 && at(leaf, i - 1) <= 32
}

/** Behind the sign that gives the name before it a value, or -1. */
export const assignEnd = (leaf: Leaf, from: number): number => {
  if (startsWith(leaf, ' is ', from)) return from + 4
  const name = overName(leaf, from)
  const sign = overSign(leaf, overBlanks(leaf, name))
  if (sign >= 0) return overBlanks(leaf, sign)
  return isFlag(leaf, from) && at(leaf, name) === 32 ? overBlanks(leaf, name) : -1
}

/** Signs that end a value without quotes: blanks and controls, quotes, commas, closing and pointed brackets. */
const BARE_ENDS = new Uint8Array(256).fill(1, 0, 33)
for (const sign of `"'\`,;)}]<>`) BARE_ENDS[sign.charCodeAt(0)] = 1

const quotedEnd = (leaf: Leaf, from: number, quote: number): number => {
  for (let i = from; i - from <= QUOTED_MAX; i++) {
    const c = at(leaf, i)
    if (c === quote) return i
    if (c === 0) return -1
  }
  return -1
}

/** End of a value without quotes; -1 where it is too long, or runs into what was masked before: then it was looked at as a whole, and was none. */
const bareEnd = (leaf: Leaf, from: number): number => {
  let i = from >= leaf.bareFrom && from < leaf.bareEnd ? leaf.bareEnd : from
  if (i === from) leaf.bareFrom = from
  while (i - from <= BARE_MAX && BARE_ENDS[at(leaf, i)] === 0 && !isMaskedAt(leaf, i)) i++
  leaf.bareEnd = i
  return i - from > BARE_MAX || isMaskedAt(leaf, i) ? -1 : i
}

const SCHEMES = ['Bearer ', 'Basic ', 'Token ']

/** The value at an offset: up to its closing quote, or up to the next blank or bracket; undefined where there is none of a credible size. */
export const valueAt = (leaf: Leaf, from: number): Span | undefined => {
  let start = from
  for (const scheme of SCHEMES) if (startsWith(leaf, scheme, start)) start += scheme.length
  const quote = at(leaf, start)
  if (isQuote(quote)) start++
  const end = isQuote(quote) ? quotedEnd(leaf, start, quote) : bareEnd(leaf, start)
  return end - start >= VALUE_MIN ? { start, end } : undefined
}
