import { isAlnum, isAlpha, isDigit } from '../chars.ts'
import * as hint from '../hints.ts'
import { at, type Leaf } from '../leaf.ts'
import type { Word } from '../recognizer.ts'
import { hintsOfWord } from '../words.ts'

const WORDS_BACK = 7
const UNITS_BACK = 70

const isInner = (c: number): boolean => isAlnum(c) || c === 39 || c === 45 || c === 47 || c === 0x2019

/** Offset behind the word before `i`, crossing at most a blank, a full stop or a comma; -1 at any other boundary. */
const previousEnd = (leaf: Leaf, i: number): number => {
  let j = i
  while (i - j < 3 && isGap(at(leaf, j - 1))) j--
  return isAlnum(at(leaf, j - 1)) ? j : -1
}

const isGap = (c: number): boolean => c === 32 || c === 46 || c === 44 || c === 10 || c === 9

const wordStart = (leaf: Leaf, end: number): number => {
  let i = end
  while (i > leaf.start && end - i < 30 && isInner(at(leaf, i - 1))) i--
  return i
}

/** A house number: one to six digits, perhaps with a letter or a second part. */
const isHouseNumber = (leaf: Leaf, start: number, end: number): boolean => {
  if (!isDigit(at(leaf, start)) || end - start > 9) return false
  let digits = 0
  let letters = 0
  for (let i = start; i < end; i++) {
    if (isDigit(at(leaf, i))) digits++
    else if (isAlpha(at(leaf, i))) letters++
  }
  return digits <= 6 && letters <= 1
}

const isStopWord = (leaf: Leaf, start: number, end: number): boolean =>
  (hintsOfWord(leaf.text, start, end) & hint.STOP) !== 0

/** Start of the earliest house number in the words before, or -1. */
export const houseNumberBefore = (leaf: Leaf, word: Word): number => {
  let i = word.start
  let found = -1
  for (let n = 0; n < WORDS_BACK && word.start - i < UNITS_BACK; n++) {
    const end = previousEnd(leaf, i)
    if (end < 0) break
    i = wordStart(leaf, end)
    if (i < leaf.done) break
    if (isHouseNumber(leaf, i, end)) found = i
    else if (isStopWord(leaf, i, end)) break
  }
  return found
}
