import { isAsciiAlnum, isDigit } from '../chars.ts'
import * as hint from '../hints.ts'
import { addHit, at, isMaskedAt, type Leaf } from '../leaf.ts'
import type { Recognizer, Word } from '../recognizer.ts'

const isPart = (c: number): boolean =>
  isAsciiAlnum(c) || c === 45 || c === 46 || c === 47 || c === 43 || c === 40 || c === 41 || c === 58

const onValue = (leaf: Leaf): void => {
  const size = leaf.end - leaf.start
  if (size < 5 || size > 64) return
  let digits = 0
  for (let i = leaf.start; i < leaf.end; i++) {
    const c = at(leaf, i)
    if (isDigit(c)) digits++
    else if (!isPart(c) && c !== 32) return
  }
  if (digits >= 4 || (leaf.own & hint.HARDWARE) !== 0)
    addHit(leaf, { type: 'OTHER', start: leaf.start, end: leaf.end, score: 0.85 })
}

const onWord = (leaf: Leaf, word: Word): void => {
  const limit = Math.min(leaf.end, word.end + 30)
  for (let i = word.end; i < limit; i++) {
    if (at(leaf, i) === 10 || isMaskedAt(leaf, i)) return
    if (!isAsciiAlnum(at(leaf, i))) continue
    let end = i
    let digits = 0
    for (; end - i < 24 && isAsciiAlnum(at(leaf, end)); end++) if (isDigit(at(leaf, end))) digits++
    if (digits >= 6) {
      addHit(leaf, { type: 'OTHER', start: i, end, score: 0.7 })
      return
    }
    i = end - 1
  }
}

/** National, tax, licence and hardware identifiers where a key or word names them. */
export const national: Recognizer = {
  type: 'OTHER',
  words: hint.NATIONAL,
  onWord,
  keys: hint.NATIONAL | hint.HARDWARE,
  onValue,
}
