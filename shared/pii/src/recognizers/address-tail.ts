import { isAlnum, isDigit, isUpper } from '../chars.ts'
import * as hint from '../hints.ts'
import { at, type Leaf } from '../leaf.ts'
import { hintsOfWord } from '../words.ts'
import type { Part } from './address-street.ts'
import { wordEnd } from './address-street.ts'

const PARTS_MAX = 14

interface Tail {
  end: number
  score: number
  /** Words read since the last certain part. */
  loose: number
  i: number
}

/** Over blanks, commas and full stops, with at most one line break. */
const overGap = (leaf: Leaf, from: number): number => {
  let i = from
  let breaks = 0
  for (; i - from < 5; i++) {
    const c = at(leaf, i)
    if (c === 10) breaks++
    if (breaks > 1 || !(c === 32 || c === 44 || c === 46 || c === 10 || c === 13)) break
  }
  return i
}

const settle = (tail: Tail, end: number, score: number): boolean => {
  tail.end = end
  tail.score += score
  tail.loose = 0
  tail.i = end
  return true
}

/** ZIP, ZIP+4, or a postal code of four to six digits. */
const readNumber = (tail: Tail, i: number, end: number): boolean => {
  const size = end - i
  if (size < 4 || size > 10) return false
  return settle(tail, end, 0.3)
}

const readUnit = (leaf: Leaf, tail: Tail, end: number): boolean => {
  let i = at(leaf, end) === 46 ? end + 1 : end
  while (at(leaf, i) === 32 || at(leaf, i) === 35) i++
  const stop = wordEnd(leaf, i)
  return stop > i && (isDigit(at(leaf, i)) || stop - i <= 3) && settle(tail, stop, 0.2)
}

interface Span {
  readonly start: number
  readonly end: number
}

const isState = (leaf: Leaf, hints: number, span: Span): boolean =>
  (hints & hint.STATE) !== 0 && (span.end - span.start > 2 || isUpper(at(leaf, span.start + 1)))

/** A word that may be part of a town's name: certain once a comma, the end or a postal code follows. */
const readTown = (leaf: Leaf, tail: Tail, span: Span): boolean => {
  if (!isUpper(at(leaf, span.start)) || tail.loose > 3) return false
  tail.loose++
  tail.i = span.end
  const gap = overGap(leaf, span.end)
  if (at(leaf, gap) === 0 || at(leaf, span.end) === 44) tail.end = span.end
  return true
}

const readWord = (leaf: Leaf, tail: Tail, span: Span): boolean => {
  const hints = hintsOfWord(leaf.text, span.start, span.end)
  if ((hints & hint.UNIT) !== 0 && readUnit(leaf, tail, span.end)) return true
  if ((hints & hint.COMPASS) !== 0 && tail.loose === 0) return settle(tail, span.end, 0)
  if (isState(leaf, hints, span)) return settle(tail, span.end, 0.2)
  if ((hints & hint.COUNTRY) !== 0) return settle(tail, span.end, 0.1)
  return (hints & hint.STOP) === 0 && readTown(leaf, tail, span)
}

const readPart = (leaf: Leaf, tail: Tail): boolean => {
  const i = overGap(leaf, tail.i)
  const c = at(leaf, i)
  if (c === 35 && isAlnum(at(leaf, i + 1))) return settle(tail, wordEnd(leaf, i + 1), 0.2)
  if (c === 35 && isAlnum(at(leaf, i + 2))) return settle(tail, wordEnd(leaf, i + 2), 0.2)
  const end = wordEnd(leaf, i)
  if (end === i) return false
  return isDigit(c) ? readNumber(tail, i, end) : readWord(leaf, tail, { start: i, end })
}

/** What follows the street: unit, city, state, postal code, country. */
export const readTail = (leaf: Leaf, from: number): Part => {
  const tail: Tail = { end: from, score: 0, loose: 0, i: from }
  for (let n = 0; n < PARTS_MAX && readPart(leaf, tail); n++);
  return { end: tail.end, score: tail.score }
}
