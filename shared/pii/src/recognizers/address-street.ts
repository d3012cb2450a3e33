import { isAlpha, isDigit, isUpper } from '../chars.ts'
import * as hint from '../hints.ts'
import { at, type Leaf } from '../leaf.ts'
import { hintsOfWord } from '../words.ts'
import { isInner } from './address-start.ts'

/** What was read: where it ends (-1 for nothing) and how sure it makes. */
export interface Part {
  readonly end: number
  readonly score: number
}

const WORDS_MAX = 8

export const wordEnd = (leaf: Leaf, from: number): number => {
  let i = from
  while (i - from < 30 && isInner(at(leaf, i))) i++
  return i
}

/** Over a blank, or a full stop or comma and a blank. */
const nextWord = (leaf: Leaf, from: number): number => {
  let i = from
  if (at(leaf, i) === 46 && at(leaf, i + 1) === 32) i++
  while (i - from < 3 && at(leaf, i) === 32) i++
  return i
}

interface Street {
  end: number
  names: number
  capitals: number
  numbers: number
  /** Hints of the word before. */
  last: number
}

const note = (leaf: Leaf, street: Street, start: number): void => {
  if (isDigit(at(leaf, start))) street.numbers++
  else if (isAlpha(at(leaf, start))) {
    street.names++
    if (isUpper(at(leaf, start))) street.capitals++
  }
}

interface Span {
  readonly start: number
  readonly end: number
}

const isRouteNumber = (span: Span): boolean => span.end - span.start <= 5

/** `Highway 87`, `800 e`: a number names the way. */
const takeNumber = (street: Street, span: Span): boolean => {
  const isGrid = (street.last & hint.COMPASS) !== 0 && street.names === 1 && street.numbers === 0
  if ((isGrid || (street.last & hint.HIGHWAY) !== 0) && isRouteNumber(span)) street.end = span.end
  return street.end < 0 || street.end === span.end
}

const takeName = (street: Street, hints: number, span: Span): boolean => {
  if (street.end > 0 && (hints & (hint.SUFFIX | hint.COMPASS)) === 0) return false
  if (street.end < 0 && (hints & hint.STOP) !== 0 && (hints & ~hint.STOP) === 0) return false
  const isSuffix = (hints & hint.SUFFIX) !== 0 && street.names + street.numbers > 0
  if (isSuffix || street.end > 0) street.end = span.end
  return true
}

/** Takes one word; false where the street cannot go on. */
const takeWord = (leaf: Leaf, street: Street, span: Span): boolean => {
  const isNumber = isDigit(at(leaf, span.start))
  const hints = isNumber ? 0 : hintsOfWord(leaf.source, span.start, span.end)
  const goesOn = isNumber ? takeNumber(street, span) : takeName(street, hints, span)
  note(leaf, street, span.start)
  street.last = hints
  return goesOn
}

/** House number, name and suffix: `12 Old Mill Rd`. */
export const readStreet = (leaf: Leaf, start: number): Part => {
  const street: Street = { end: -1, names: 0, capitals: 0, numbers: 0, last: 0 }
  const number = wordEnd(leaf, start)
  const isApart = at(leaf, number) === 44
  let i = nextWord(leaf, isApart ? number + 1 : number)
  for (let n = 0; n < WORDS_MAX; n++) {
    const end = wordEnd(leaf, i)
    if (end === i || !takeWord(leaf, street, { start: i, end })) break
    i = nextWord(leaf, end)
  }
  return { end: street.end, score: (street.capitals === street.names ? 0.7 : 0.45) - (isApart ? 0.3 : 0) }
}
