import { isDigit } from '../chars.ts'
import * as hint from '../hints.ts'
import { addHit, at, isMaskedAt, type Leaf, sliceOf } from '../leaf.ts'
import type { Recognizer, Word } from '../recognizer.ts'

/** First letters of the months in English, German, French, Spanish, Italian, Portuguese and Dutch. */
const MONTHS =
  '(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|f[eé]v|mär|avr|mai|mei|juin|juil|ao[uû]|d[eé]c|ene|abr|ago|dic|gen|mag|giu|lug|set|out|ott|okt|dez)[a-zéûç]{0,7}'
/** A date is whole: digits right before or behind it make it a part of some other number. */
const DATE = new RegExp(
  `(?<![0-9])(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ][0-9]{2,4}|[0-9]{1,2}(?:st|nd|rd|th|er|\\.)?[ -](?:de )?${MONTHS}(?:[ ,-]{1,2}| de )[0-9]{2,4}|${MONTHS} [0-9]{1,2}(?:st|nd|rd|th)?,? [0-9]{4}|(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]))(?![0-9])`,
  'i',
)
const REACH = 48

const DATE_MAX = 24

/** First digit in reach, which every date has; where there is none, or something masked before it, the complement of where the search ended. */
const digitAfter = (leaf: Leaf, from: number, to: number): number => {
  for (let i = from; i < to; i++) {
    if (isDigit(at(leaf, i))) return i
    if (isMaskedAt(leaf, i)) return ~i
  }
  return ~to
}

/** Where the search for a word's date begins: what an earlier word has searched is not searched again, and never in the middle of a number. */
const searchStart = (leaf: Leaf, word: Word): number => {
  let i = Math.max(word.end, leaf.datesEnd - DATE_MAX)
  if (i > word.end && isDigit(at(leaf, i - 1))) while (isDigit(at(leaf, i))) i++
  return i
}

/** The shortest date has three digits. */
const DIGITS_MIN = 3

/** Whether there are digits enough for a date: to count them takes much less than to ask the expression. */
const mayHoldDate = (leaf: Leaf, from: number, to: number): boolean => {
  let digits = 0
  for (let i = from; i < to; i++) if (isDigit(at(leaf, i))) digits++
  return digits >= DIGITS_MIN
}

/** Where something masked begins, which no date goes over. */
const maskedFrom = (leaf: Leaf, from: number, to: number): number => {
  let i = from
  while (i < to && !isMaskedAt(leaf, i)) i++
  return i
}

/** Behind the digits that the end of what is searched would cut: half a date is none. */
const uncut = (leaf: Leaf, to: number): number => {
  let i = to
  while (i - to < YEAR && isDigit(at(leaf, i - 1)) && isDigit(at(leaf, i))) i++
  return i
}

const YEAR = 4

/** The first date within a short reach of the word. */
const onWord = (leaf: Leaf, word: Word): void => {
  const to = Math.min(leaf.end, word.end + REACH)
  if (to <= leaf.datesEnd) return
  const from = searchStart(leaf, word)
  const digit = digitAfter(leaf, from, to)
  leaf.datesEnd = digit < 0 ? ~digit : maskedFrom(leaf, digit, Math.min(to, digit + DATE_MAX))
  if (digit < 0 || !mayHoldDate(leaf, digit, leaf.datesEnd)) return
  const base = Math.max(from, digit - MONTH_MAX)
  const found = DATE.exec(sliceOf(leaf, base, uncut(leaf, leaf.datesEnd)))
  if (found === null) return
  const start = base + found.index
  leaf.datesEnd = start + found[0].length
  addHit(leaf, { type: 'DATE_OF_BIRTH', start, end: leaf.datesEnd, score: 0.85 })
}

const MONTH_MAX = 12

const onValue = (leaf: Leaf): void => {
  if (leaf.end - leaf.start > 64) return
  const value = sliceOf(leaf, leaf.start, leaf.end)
  const found = DATE.exec(value)
  if (found !== null) {
    const start = leaf.start + found.index
    addHit(leaf, { type: 'DATE_OF_BIRTH', start, end: start + found[0].length, score: 0.95 })
    return
  }
  const isNumeric = (value.match(/[0-9]/g)?.length ?? 0) >= 6
  if (isNumeric && value.length <= 16)
    addHit(leaf, { type: 'DATE_OF_BIRTH', start: leaf.start, end: leaf.end, score: 0.8 })
}

/** Birth dates: a date is one only where a key or word says so. */
export const birth: Recognizer = {
  type: 'DATE_OF_BIRTH',
  words: hint.BIRTH,
  onWord,
  keys: hint.BIRTH,
  onValue,
}
