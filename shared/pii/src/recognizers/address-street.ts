import { isAlnum, isDigit, isUpper } from '../chars.ts'
import * as hint from '../hints.ts'
import { at, type Leaf } from '../leaf.ts'
import { hintsOfWord } from '../words.ts'

/** What was read: where it ends (-1 for nothing) and how sure it makes. */
export interface Part {
  readonly end: number
  readonly score: number
}

const WORDS_MAX = 8

const isInner = (c: number): boolean => isAlnum(c) || c === 39 || c === 45 || c === 47 || c === 0x2019

export const wordEnd = (leaf: Leaf, from: number): number => {
  let i = from
  while (i < leaf.end && i - from < 30 && isInner(at(leaf, i))) i++
  return i
}

/** Over a blank, or a full stop and a blank. */
export const nextWord = (leaf: Leaf, from: number): number => {
  let i = from
  if (at(leaf, i) === 46) i++
  while (i - from < 3 && at(leaf, i) === 32) i++
  return i
}

interface State {
  end: number
  names: number
  capitals: number
  numbers: number
}

const note = (leaf: Leaf, state: State, start: number): void => {
  if (isDigit(at(leaf, start))) state.numbers++
  else {
    state.names++
    if (isUpper(at(leaf, start))) state.capitals++
  }
}

const isNameEnd = (state: State, hints: number): boolean =>
  (hints & hint.SUFFIX) !== 0 && state.names + state.numbers > 0

/** Takes one word; false where the street cannot go on. */
const takeWord = (leaf: Leaf, state: State, word: { start: number; end: number }): boolean => {
  const hints = isDigit(at(leaf, word.start)) ? 0 : hintsOfWord(leaf.text, word.start, word.end)
  if (state.end > 0 && (hints & (hint.SUFFIX | hint.COMPASS)) === 0) return false
  if (state.end < 0 && (hints & hint.STOP) !== 0 && (hints & ~hint.STOP) === 0) return false
  if (isNameEnd(state, hints) || state.end > 0) state.end = word.end
  note(leaf, state, word.start)
  return true
}

/** House number, name and suffix: `12 Old Mill Rd`. */
export const readStreet = (leaf: Leaf, start: number): Part => {
  const state: State = { end: -1, names: 0, capitals: 0, numbers: 0 }
  let i = nextWord(leaf, wordEnd(leaf, start))
  for (let n = 0; n < WORDS_MAX; n++) {
    const end = wordEnd(leaf, i)
    if (end === i || !takeWord(leaf, state, { start: i, end })) break
    i = nextWord(leaf, end)
  }
  return { end: state.end, score: state.capitals === state.names ? 0.7 : 0.45 }
}
