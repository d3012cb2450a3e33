import * as hint from '../hints.ts'
import { addHit, type Leaf } from '../leaf.ts'
import type { Recognizer, Word } from '../recognizer.ts'
import { houseNumberBefore } from './address-start.ts'
import { readStreet } from './address-street.ts'
import { readTail } from './address-tail.ts'

const onWord = (leaf: Leaf, word: Word): void => {
  if (word.start < leaf.done) return
  const start = houseNumberBefore(leaf, word)
  if (start < 0) return
  const street = readStreet(leaf, start)
  if (street.end < 0) return
  const tail = readTail(leaf, street.end)
  const score = street.score + tail.score
  if (score < 0.6) return
  addHit(leaf, { type: 'STREET_ADDRESS', start, end: tail.end, score: Math.min(0.95, score) })
}

const LETTER = /\p{L}/u

const onValue = (leaf: Leaf): void => {
  const size = leaf.end - leaf.start
  if (size < 3 || size > 400) return
  const value = leaf.text.slice(leaf.start, leaf.end)
  if (!LETTER.test(value) || value.includes('://') || value.includes('@') || /^[[{<]/.test(value)) return
  const start = leaf.start + (value.length - value.trimStart().length)
  addHit(leaf, { type: 'STREET_ADDRESS', start, end: leaf.start + value.trimEnd().length, score: 0.9 })
}

/** Street addresses after USPS Publication 28, and the forms other countries use, where an anchor makes them certain. */
export const address: Recognizer = {
  type: 'STREET_ADDRESS',
  words: hint.SUFFIX | hint.UNIT | hint.STATE | hint.STREET,
  onWord,
  keys: hint.ADDRESS,
  onValue,
}
