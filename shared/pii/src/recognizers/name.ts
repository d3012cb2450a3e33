import { isAlpha, isDigit, isUpper } from '../chars.ts'
import * as hint from '../hints.ts'
import { addHit, at, type Leaf, startsWith } from '../leaf.ts'
import type { Recognizer, Word } from '../recognizer.ts'
import { hintsOfWord } from '../words.ts'

const WORDS_MAX = 4

const isNameChar = (c: number): boolean => isAlpha(c) || c === 39 || c === 45

const wordEnd = (leaf: Leaf, from: number): number => {
  let i = from
  while (i - from < 40 && isNameChar(at(leaf, i))) i++
  while (i > from && !isAlpha(at(leaf, i - 1))) i--
  return i
}

/** Behind a run of capitalised words, at most four; `from` when there is none. */
const capitalisedEnd = (leaf: Leaf, from: number): number => {
  let end = from
  let i = from
  for (let n = 0; n < WORDS_MAX && isUpper(at(leaf, i)); n++) {
    const stop = wordEnd(leaf, i)
    if ((hintsOfWord(leaf.source, i, stop) & hint.STOP) !== 0) break
    end = stop
    i = at(leaf, end) === 46 && stop - i === 1 ? end + 1 : end
    if (at(leaf, i) !== 32) break
    i++
  }
  return end
}

const skip = (leaf: Leaf, from: number, chars: string): number => {
  let i = from
  while (i - from < 3 && at(leaf, i) !== 0 && chars.includes(String.fromCharCode(at(leaf, i)))) i++
  return i
}

const afterTitle = (leaf: Leaf, word: Word): void => {
  if (!isUpper(at(leaf, word.start))) return
  const from = skip(leaf, word.end, '. ')
  const end = capitalisedEnd(leaf, from)
  if (from > word.end && end - from > 1) addHit(leaf, { type: 'NAME', start: from, end, score: 0.8 })
}

const afterGreeting = (leaf: Leaf, word: Word): void => {
  if (!isUpper(at(leaf, word.start))) return
  const from = skip(leaf, word.end, ' ,\n')
  const end = capitalisedEnd(leaf, from)
  const next = at(leaf, end)
  if (end - from < 2 || from === word.end || !(next === 44 || next === 10 || next === 0 || next === 33))
    return
  if (hintsOfWord(leaf.source, from, wordEnd(leaf, from)) !== 0) return
  addHit(leaf, { type: 'NAME', start: from, end, score: 0.7 })
}

/** `Name:` at the start of a line. */
const isLineLabel = (leaf: Leaf, word: Word): boolean => {
  const c = at(leaf, word.start - 1)
  return isUpper(at(leaf, word.start)) && (c === 0 || c === 10) && at(leaf, word.end) === 58
}

/** `my name is …`, `called …`, `Name: …`. */
const afterCue = (leaf: Leaf, word: Word): void => {
  const isSpoken = startsWith(leaf, ' is ', word.end)
  const isCalled = at(leaf, word.end - 1) === 100 && at(leaf, word.end) === 32
  if (!isSpoken && !isCalled && !isLineLabel(leaf, word)) return
  const from = isSpoken ? word.end + 4 : skip(leaf, word.end, ': ')
  const end = capitalisedEnd(leaf, from)
  if (end - from > 1) addHit(leaf, { type: 'NAME', start: from, end, score: 0.7 })
}

const onWord = (leaf: Leaf, word: Word): void => {
  if ((word.hints & hint.TITLE) !== 0) afterTitle(leaf, word)
  else if ((word.hints & hint.GREETING) !== 0) afterGreeting(leaf, word)
  else afterCue(leaf, word)
}

const NAME_MAX = 100

/** Letters with blanks, apostrophes, dots, commas and hyphens between; quotes and the like around them do not count. */
const isNameText = (leaf: Leaf, start: number, end: number): boolean => {
  for (let i = start; i < end; i++) if (!isNameChar(at(leaf, i)) && !isNameJoint(at(leaf, i))) return false
  return end > start
}

/** No digit, and nothing that an earlier masking left. */
const isUnnumbered = (leaf: Leaf): boolean => {
  for (let i = leaf.start; i < leaf.end; i++) if (isDigit(at(leaf, i)) || at(leaf, i) === 91) return false
  return true
}

const onValue = (leaf: Leaf): void => {
  let { start, end } = leaf
  if (end - start < 2 || end - start > NAME_MAX) return
  if (!isUnnumbered(leaf)) return
  while (start < end && !isAlpha(at(leaf, start))) start++
  while (end > start && !isAlpha(at(leaf, end - 1))) end--
  if (!isNameText(leaf, start, end)) return
  addHit(leaf, { type: 'NAME', start, end: at(leaf, end) === 46 ? end + 1 : end, score: 0.9 })
}

const isNameJoint = (c: number): boolean => c === 32 || c === 46 || c === 44 || c === 130

/** The angle bracket that opens an address whose sign is at `sign`, or -1. */
const openBefore = (leaf: Leaf, sign: number): number => {
  for (let i = sign - 1; sign - i < 66; i--) {
    const c = at(leaf, i)
    if (c === 60) return i
    if (c <= 32) return -1
  }
  return -1
}

const DISPLAY_MAX = 64

/** Start of the display name that ends at `end`: at most five words of letters, the first with a capital. */
const displayStart = (leaf: Leaf, end: number): number => {
  let i = end
  let words = 1
  while (end - i < DISPLAY_MAX && words <= 5 && isDisplay(at(leaf, i - 1))) {
    i--
    if (at(leaf, i) === 32) words++
  }
  while (i < end && !isUpper(at(leaf, i))) i++
  return i
}

const isDisplay = (c: number): boolean => isNameChar(c) || c === 32 || c === 46

const isDisplayEdge = (c: number): boolean =>
  c === 0 || c === 10 || c === 34 || c === 44 || c === 58 || c === 59 || c === 32

/** `Given Family <user@host>`: the display name of RFC 5322 3.4, before an address that was found. */
const onSign = (leaf: Leaf, sign: number): void => {
  if (leaf.done <= sign) return
  const open = openBefore(leaf, sign)
  if (open < 0) return
  let end = open
  while (open - end < 3 && (at(leaf, end - 1) === 32 || at(leaf, end - 1) === 34)) end--
  const start = displayStart(leaf, end)
  if (end - start > 1 && isDisplayEdge(at(leaf, start - 1)))
    addHit(leaf, { type: 'NAME', start, end, score: 0.8 })
}

/** Names of people where a key, a title, a greeting or an address header makes them certain. */
export const name: Recognizer = {
  type: 'NAME',
  words: hint.TITLE | hint.GREETING | hint.NAME_CUE,
  onWord,
  onSign,
  keys: hint.NAME,
  onValue,
}
