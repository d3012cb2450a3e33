import { isAlpha, isUpper } from '../chars.ts'
import * as hint from '../hints.ts'
import { addHit, at, type Leaf } from '../leaf.ts'
import type { Recognizer, Word } from '../recognizer.ts'
import { hintsOfWord } from '../words.ts'

const WORDS_MAX = 4

const isNameChar = (c: number): boolean => isAlpha(c) || c === 39 || c === 45 || c === 0x2019

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
    if ((hintsOfWord(leaf.text, i, stop) & hint.STOP) !== 0) break
    end = stop
    i = at(leaf, end) === 46 && stop - i === 1 ? end + 1 : end
    if (at(leaf, i) !== 32) break
    i++
  }
  return end
}

const skip = (leaf: Leaf, from: number, chars: string): number => {
  let i = from
  while (i - from < 3 && at(leaf, i) !== 0 && chars.includes(leaf.text.charAt(i))) i++
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
  if (hintsOfWord(leaf.text, from, wordEnd(leaf, from)) !== 0) return
  addHit(leaf, { type: 'NAME', start: from, end, score: 0.7 })
}

const CUE = /(?:my name is|name:|named|called) $/i

const afterCue = (leaf: Leaf, word: Word): void => {
  const from = leaf.text.startsWith(' is ', word.end) ? word.end + 4 : skip(leaf, word.end, ': ')
  if (
    !CUE.test(leaf.text.slice(Math.max(leaf.start, from - 12), from)) &&
    !leaf.text.startsWith(' is ', word.end)
  )
    return
  const end = capitalisedEnd(leaf, from)
  if (end - from > 1) addHit(leaf, { type: 'NAME', start: from, end, score: 0.7 })
}

const onWord = (leaf: Leaf, word: Word): void => {
  if (word.start < leaf.done) return
  if ((word.hints & hint.TITLE) !== 0) afterTitle(leaf, word)
  else if ((word.hints & hint.GREETING) !== 0) afterGreeting(leaf, word)
  else afterCue(leaf, word)
}

/** `"Given Family" <user@host>`: the display name of RFC 5322 3.4. */
const onValue = (leaf: Leaf): void => {
  if (leaf.end - leaf.start < 2 || leaf.end - leaf.start > 100) return
  const value = leaf.text.slice(leaf.start, leaf.end)
  const name = /^[^\p{L}]*(\p{L}[\p{L}\p{M}'’ .,-]*[\p{L}\p{M}.])[^\p{L}]*$/u.exec(value)
  if (name === null) return
  const start = leaf.start + value.indexOf(name[1] ?? '')
  addHit(leaf, { type: 'NAME', start, end: start + (name[1] ?? '').length, score: 0.9 })
}

/** `Given Family <user@host>`: the display name of RFC 5322 3.4. */
const onSign = (leaf: Leaf, sign: number): void => {
  const open = leaf.text.lastIndexOf('<', sign)
  if (open < leaf.start || sign - open > 65) return
  const found = /(?:^|[\n:;,"])[ ]?([\p{Lu}][\p{L}\p{M}'’.-]*(?: [\p{L}\p{M}'’.-]+){0,4})"? ?$/u.exec(
    leaf.text.slice(Math.max(leaf.start, open - 80), open),
  )
  const name = found?.[1]
  if (name === undefined) return
  const start = leaf.text.lastIndexOf(name, open)
  addHit(leaf, { type: 'NAME', start, end: start + name.length, score: 0.8 })
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
