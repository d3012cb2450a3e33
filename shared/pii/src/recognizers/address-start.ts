import { isAlnum, isAlpha, isDigit } from '../chars.ts'
import * as hint from '../hints.ts'
import { at, before, type Leaf } from '../leaf.ts'
import { hintsOfWord } from '../words.ts'

/** How far back a house number is looked for. */
export interface Reach {
  readonly words: number
  readonly units: number
}

export const isInner = (c: number): boolean => isAlnum(c) || c === 39 || c === 45 || c === 47

const isBlank = (c: number): boolean => c === 32 || c === 10 || c === 13 || c === 9

const isGap = (c: number): boolean => isBlank(c) || c === 46 || c === 44 || c === 35

/** Offset behind the word before `i`, crossing a blank, with a full stop or comma, or a line break; -1 at any other boundary. */
export const previousEnd = (leaf: Leaf, i: number): number => {
  let j = i
  let hasBlank = false
  while (i - j < 4 && isGap(at(leaf, j - 1))) {
    j--
    hasBlank = hasBlank || isBlank(at(leaf, j))
  }
  return hasBlank && isAlnum(at(leaf, j - 1)) ? j : -1
}

export const wordStart = (leaf: Leaf, end: number): number => {
  let i = end
  while (end - i < 30 && isInner(at(leaf, i - 1))) i--
  return i
}

/** A house number: one to six digits, perhaps with a letter or a second part. */
export const isHouseNumber = (leaf: Leaf, start: number, end: number): boolean => {
  if (end - start > 9) return false
  let digits = 0
  let letters = 0
  for (let i = start; i < end; i++) {
    if (isDigit(at(leaf, i))) digits++
    else if (isAlpha(at(leaf, i))) letters++
  }
  return digits > 0 && digits <= 6 && letters <= 1
}

const isStopWord = (leaf: Leaf, start: number, end: number): boolean => {
  const hints = hintsOfWord(leaf.source, start, end)
  return (hints & hint.STOP) !== 0 && (hints & (hint.STREET | hint.STATE)) === 0
}

/** The rest of a number with a full stop: `13.812`. */
const isDecimal = (leaf: Leaf, start: number): boolean =>
  isDigit(at(leaf, start)) && at(leaf, start - 1) === 46 && isAlnum(before(leaf, start - 2))

/** No sign of code or of a longer number right before. */
const isFree = (leaf: Leaf, start: number): boolean => {
  const c = at(leaf, start - 1)
  return (
    c <= 32 || c === 44 || c === 40 || c === 34 || c === 39 || c === 58 || c === 62 || c === 93 || c > 127
  )
}

/** Offset of the word before, as long as it may lie between a house number and what closes the street; -1 at what may not. */
const stepBack = (leaf: Leaf, i: number): { readonly start: number; readonly end: number } | undefined => {
  const end = previousEnd(leaf, i)
  if (end < 0) return undefined
  const start = wordStart(leaf, end)
  return start < leaf.done || isDecimal(leaf, start) ? undefined : { start, end }
}

/** House numbers in the words before an offset: the earliest and the nearest, -1 where there is none. */
export const houseNumbersBefore = (
  leaf: Leaf,
  from: number,
  reach: Reach,
): { readonly first: number; readonly nearest: number } => {
  let i = from
  let first = -1
  let nearest = -1
  for (let n = 0; n < reach.words && from - i < reach.units; n++) {
    const word = stepBack(leaf, i)
    if (word === undefined) break
    i = word.start
    if (isDigit(at(leaf, i)) && isHouseNumber(leaf, i, word.end) && isFree(leaf, i)) {
      first = i
      if (nearest < 0) nearest = i
    } else if (isStopWord(leaf, i, word.end)) break
  }
  return { first, nearest }
}

/** Start of the earliest house number in the words before `i`, or -1. */
export const houseNumberBefore = (leaf: Leaf, from: number, reach: Reach): number =>
  houseNumbersBefore(leaf, from, reach).first
