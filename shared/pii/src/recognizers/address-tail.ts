import { isAlnum, isDigit, isUpper } from '../chars.ts'
import * as hint from '../hints.ts'
import { at, type Leaf } from '../leaf.ts'
import { hintsOfWord } from '../words.ts'
import { type Part, wordEnd } from './address-street.ts'

const PARTS_MAX = 16
const LOOSE_MAX = 4

interface Tail {
  end: number
  score: number
  /** Words read since the last certain part. */
  loose: number
  /** A comma or line break opened the words that are loose. */
  isApart: boolean
  hasCode: boolean
  i: number
}

interface Span {
  readonly start: number
  readonly end: number
}

const isGap = (c: number): boolean => c === 32 || c === 44 || c === 46 || c === 10 || c === 13

/** Over blanks, commas and full stops, with at most one line break. */
const overGap = (leaf: Leaf, from: number): number => {
  let i = from
  let breaks = 0
  for (; i - from < 6 && isGap(at(leaf, i)); i++) if (at(leaf, i) === 10 && ++breaks > 1) return from
  return i
}

const isApart = (leaf: Leaf, from: number, to: number): boolean => {
  for (let i = from; i < to; i++) if (at(leaf, i) === 44 || at(leaf, i) === 10) return true
  return false
}

const settle = (tail: Tail, end: number, score: number): boolean => {
  tail.end = end
  tail.score += score
  tail.loose = 0
  tail.isApart = false
  tail.i = end
  return true
}

/** Second half of a postal code written apart: `944 492`, `ON` of `9368 ON`. */
const secondHalf = (leaf: Leaf, end: number): number => {
  if (at(leaf, end) !== 32) return end
  const stop = wordEnd(leaf, end + 1)
  const size = stop - end - 1
  if (size === 3 && isDigit(at(leaf, end + 1))) return stop
  return size === 2 && isUpper(at(leaf, end + 1)) && isUpper(at(leaf, end + 2)) ? stop : end
}

/** ZIP, ZIP+4, or a postal code of four to six digits; a short number only right after the street, as a house number. */
const readNumber = (leaf: Leaf, tail: Tail, span: Span): boolean => {
  const size = span.end - span.start
  if (size <= 3) {
    const half = secondHalf(leaf, span.end)
    if (half > span.end && size === 3) return settle(tail, half, 0.3)
    return tail.score === 0 && tail.loose === 0 && settle(tail, span.end, 0)
  }
  if (tail.hasCode || size > 10) return false
  tail.hasCode = true
  return settle(tail, size === 4 ? secondHalf(leaf, span.end) : span.end, 0.3)
}

const readUnit = (leaf: Leaf, tail: Tail, end: number): boolean => {
  let i = at(leaf, end) === 46 ? end + 1 : end
  while (at(leaf, i) === 32 || at(leaf, i) === 35) i++
  const stop = wordEnd(leaf, i)
  return stop > i && (isDigit(at(leaf, i)) || stop - i <= 2) && settle(tail, stop, 0.25)
}

/** `17th Floor`, `second floor`: the ordinal came before. */
const isUnitBehind = (leaf: Leaf, tail: Tail, span: Span): boolean => {
  const c = at(leaf, span.start) | 32
  return c === 102 && tail.loose === 1 && settle(tail, span.end, 0.2)
}

const isState = (leaf: Leaf, hints: number, span: Span): boolean =>
  (hints & hint.STATE) !== 0 &&
  (span.end - span.start > 2 || (hints & hint.STOP) === 0 || isUpper(at(leaf, span.start + 1)))

/** A word that may be part of a town's name: certain where a comma or line break led to it, else once something certain follows. */
const readTown = (leaf: Leaf, tail: Tail, span: Span): boolean => {
  if (tail.loose >= LOOSE_MAX) return false
  if (isApart(leaf, tail.i, span.start)) tail.isApart = true
  tail.loose++
  tail.i = span.end
  const isEnd = at(leaf, overGap(leaf, span.end)) === 0
  if (isUpper(at(leaf, span.start)) && (tail.isApart || isEnd)) tail.end = span.end
  return true
}

const readWord = (leaf: Leaf, tail: Tail, span: Span): boolean => {
  const hints = hintsOfWord(leaf.source, span.start, span.end)
  if ((hints & hint.UNIT) !== 0 && (readUnit(leaf, tail, span.end) || isUnitBehind(leaf, tail, span)))
    return true
  if ((hints & hint.COMPASS) !== 0 && tail.loose === 0) return settle(tail, span.end, 0)
  if (isState(leaf, hints, span)) return settle(tail, span.end, 0.2)
  if ((hints & hint.COUNTRY) !== 0) return settle(tail, span.end, 0.1)
  return ((hints & hint.STOP) === 0 || (hints & ~hint.STOP) !== 0) && readTown(leaf, tail, span)
}

const UK_HALF = 3

/** `WV5 3LL`, `V0V 9R5`: letters and digits in two parts. */
const ukEnd = (leaf: Leaf, span: Span): number => {
  const size = span.end - span.start
  if (size < 2 || size > 4 || at(leaf, span.end) !== 32 || !isUpper(at(leaf, span.start))) return -1
  const stop = wordEnd(leaf, span.end + 1)
  if (stop - span.end - 1 !== UK_HALF || !isDigit(at(leaf, span.end + 1))) return -1
  for (let i = span.start + 1; i < span.end; i++) if (isDigit(at(leaf, i))) return stop
  return -1
}

const readAlnum = (leaf: Leaf, tail: Tail, span: Span): boolean => {
  if (isDigit(at(leaf, span.start))) return readNumber(leaf, tail, span)
  const uk = ukEnd(leaf, span)
  return uk > 0 ? settle(tail, uk, 0.3) : readWord(leaf, tail, span)
}

const readPart = (leaf: Leaf, tail: Tail): boolean => {
  const i = overGap(leaf, tail.i)
  const c = at(leaf, i)
  if (c === 35) {
    const unit = at(leaf, i + 1) === 32 ? i + 2 : i + 1
    return isAlnum(at(leaf, unit)) && settle(tail, wordEnd(leaf, unit), 0.25)
  }
  const end = wordEnd(leaf, i)
  return end > i && readAlnum(leaf, tail, { start: i, end })
}

/** What follows the street: unit, town, state, postal code, country. */
export const readTail = (leaf: Leaf, from: number): Part => {
  const tail: Tail = { end: from, score: 0, loose: 0, isApart: false, hasCode: false, i: from }
  for (let n = 0; n < PARTS_MAX && readPart(leaf, tail); n++);
  return { end: tail.end, score: tail.score }
}
