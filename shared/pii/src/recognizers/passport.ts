import { isAsciiAlnum, isDigit } from '../chars.ts'
import * as hint from '../hints.ts'
import { addHit, at, isMaskedAt, type Leaf, trimmed } from '../leaf.ts'
import type { Recognizer, Word } from '../recognizer.ts'

const WORD_REACH = 40
const MIN = 6
const MAX = 14

const tokenEnd = (leaf: Leaf, from: number): number => {
  let i = from
  while (i - from <= MAX && isAsciiAlnum(at(leaf, i))) i++
  return i
}

/** Six to fourteen letters and digits with at least four digits: what ICAO 9303 leaves to states for a document number. */
const isNumber = (leaf: Leaf, start: number, end: number): boolean => {
  if (end - start < MIN || end - start > MAX) return false
  let digits = 0
  for (let i = start; i < end; i++) if (isDigit(at(leaf, i))) digits++
  return digits >= 3
}

/** The first token after the word that looks like a document number. */
const onWord = (leaf: Leaf, word: Word): void => {
  const limit = Math.min(leaf.end, word.end + WORD_REACH)
  let i = word.end
  while (i < limit) {
    if (at(leaf, i) === 10 || isMaskedAt(leaf, i)) return
    const end = Math.max(i, tokenEnd(leaf, i))
    if (isNumber(leaf, i, end)) {
      addHit(leaf, { type: 'PASSPORT', start: i, end, score: 0.85 })
      return
    }
    i = end > i ? end : i + 1
  }
}

const onValue = (leaf: Leaf): void => {
  const { start, end } = trimmed(leaf)
  const size = end - start
  if (size < 5 || size > 20) return
  let digits = 0
  for (let i = start; i < end; i++) {
    const c = at(leaf, i)
    if (isDigit(c)) digits++
    else if (!isAsciiAlnum(c) && c !== 32 && c !== 45 && c !== 47) return
  }
  if (digits >= 3) addHit(leaf, { type: 'PASSPORT', start, end, score: 0.9 })
}

/** Passport numbers where a key, a label or a word says so. */
export const passport: Recognizer = {
  type: 'PASSPORT',
  words: hint.PASSPORT,
  onWord,
  keys: hint.PASSPORT,
  onValue,
}
