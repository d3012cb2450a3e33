import { isAlpha, isDigit, isUpper } from '../chars.ts'
import * as hint from '../hints.ts'
import { at, type Leaf } from '../leaf.ts'
import { hintsOfWord, isStreetName } from '../words.ts'
import { isHouseNumber, isInner, wordStart } from './address-start.ts'
import { wordEnd } from './address-street.ts'

const SEGMENTS_MAX = 3
const WORDS_MAX = 8

/** Small words inside names of streets and towns. */
const PARTICLES = new Set(
  'de la le les der den des du di da do dos das del della dei van von ten ter el los las y e und och zu zum zur am an im in aux sur sous d l t of'.split(
    ' ',
  ),
)

const isParticle = (leaf: Leaf, start: number, end: number): boolean => {
  if (end - start > 5) return false
  let word = ''
  for (let i = start; i < end; i++) word += String.fromCharCode(at(leaf, i) | 32)
  return PARTICLES.has(word)
}

interface Words {
  start: number
  hasNumber: boolean
  names: number
  count: number
}

/** Whether a word can stand in a street's or town's name. */
const belongs = (leaf: Leaf, start: number, end: number): boolean => {
  if ((hintsOfWord(leaf.source, start, end) & hint.MONTH) !== 0) return false
  if (isUpper(at(leaf, start)) || isParticle(leaf, start, end)) return true
  return (hintsOfWord(leaf.source, start, end) & (hint.STREET | hint.SUFFIX)) !== 0
}

const takeWord = (leaf: Leaf, words: Words, span: { start: number; end: number }): boolean => {
  const { start, end } = span
  if (isDigit(at(leaf, start))) {
    if (!isHouseNumber(leaf, start, end)) return false
    words.hasNumber = true
  } else {
    if (!isAlpha(at(leaf, start)) || !belongs(leaf, start, end)) return false
    if (!isParticle(leaf, start, end)) words.names++
  }
  words.count++
  words.start = start
  return true
}

/** Over blanks and an abbreviation's full stop to the end of the word before. */
const previousEnd = (leaf: Leaf, i: number): number => {
  let j = i
  while (i - j < 3 && (at(leaf, j - 1) === 32 || at(leaf, j - 1) === 46)) j--
  return isInner(at(leaf, j - 1)) ? j : -1
}

const readSegment = (leaf: Leaf, words: Words, from: number): number => {
  let i = from
  while (words.count < WORDS_MAX) {
    const end = previousEnd(leaf, i)
    if (end < 0) break
    const start = wordStart(leaf, end)
    if (start < leaf.done || !takeWord(leaf, words, { start, end })) break
    i = start
  }
  return i
}

const commaBefore = (leaf: Leaf, i: number): number => {
  let j = i
  while (i - j < 3 && at(leaf, j - 1) === 32) j--
  return at(leaf, j - 1) === 44 ? j - 1 : -1
}

/**
 * Start of the street that ends right before a comma or line break at `comma`: goes left over whole segments until one has a house number
 * and a name; -1 when there is none.
 */
export const streetBefore = (leaf: Leaf, comma: number): number => {
  const words: Words = { start: comma, hasNumber: false, names: 0, count: 0 }
  let i = comma
  for (let n = 0; n < SEGMENTS_MAX && i >= 0; n++) {
    const before = words.count
    i = readSegment(leaf, words, i)
    if (words.count === before) return -1
    if (words.hasNumber && words.names > 0) return words.start
    i = commaBefore(leaf, i)
  }
  return -1
}

/** Behind the house number that follows a street's name at `i`, with a letter or a second part; -1 when there is none. */
export const numberAfter = (leaf: Leaf, from: number): number => {
  let i = from
  while (i - from < 3 && (at(leaf, i) === 32 || at(leaf, i) === 44 || at(leaf, i) === 46)) i++
  const end = wordEnd(leaf, i)
  return i > from && isDigit(at(leaf, i)) && end - i <= 8 && isHouseNumber(leaf, i, end) ? end : -1
}

/** Behind the names after a word for a way, up to five of them, each capitalised or a particle. */
export const namesAfter = (leaf: Leaf, from: number): number => {
  let end = from
  let i = from
  for (let n = 0; n < 5; n++) {
    if (at(leaf, i) === 46) i++
    if (at(leaf, i) !== 32) break
    const stop = wordEnd(leaf, i + 1)
    if (stop === i + 1 || isDigit(at(leaf, i + 1)) || !belongs(leaf, i + 1, stop)) break
    end = stop
    i = stop
  }
  return end
}

/** Whether the word that ends at `end` is a one-word street name such as `Beerenstr` or `Kyrkgränden`. */
export const compoundBefore = (leaf: Leaf, number: number): number => {
  const end = previousEnd(leaf, number)
  if (end < 0 || end === number) return -1
  const start = wordStart(leaf, end)
  if (end - start < 6 || start < leaf.done || !isUpper(at(leaf, start))) return -1
  return isStreetName(leaf.source, start, end) ? start : -1
}
