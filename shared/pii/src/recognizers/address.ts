import { isAlnum, isAlpha, isDigit, isUpper } from '../chars.ts'
import type { Cluster } from '../digits.ts'
import * as hint from '../hints.ts'
import { addHit, at, isNear, type Leaf, trimmed } from '../leaf.ts'
import type { Recognizer, Word } from '../recognizer.ts'
import {
  houseNumberBefore,
  houseNumbersBefore,
  isHouseNumber,
  previousEnd,
  wordStart,
} from './address-start.ts'
import { readStreet, wordEnd } from './address-street.ts'
import { readTail } from './address-tail.ts'
import { compoundBefore, namesAfter, numberAfter, streetBefore } from './address-world.ts'
import { hintsOfWord } from '../words.ts'

const REACH = 110
const TO_SUFFIX = { words: 7, units: 70 }
const TO_STATE = { words: 12, units: REACH }
const THRESHOLD = 0.6

const add = (leaf: Leaf, start: number, end: number): void =>
  addHit(leaf, { type: 'STREET_ADDRESS', start, end, score: 0.85 })

/** A word such as `is`, which closes a street only with a capital. */
const isLittle = (leaf: Leaf, word: Word): boolean =>
  (word.hints & hint.STOP) !== 0 && !isUpper(at(leaf, word.start))

const FAILED = 15

/** House number there, suffix here. What led to nothing for one word leads to nothing for the words behind it. */
const fromNumber = (leaf: Leaf, word: Word, start: number): boolean => {
  if (leaf.noStreet[start & FAILED] === start) return false
  leaf.noStreet[start & FAILED] = start
  leaf.hasNoStreet = true
  const street = readStreet(leaf, start)
  if (street.end < word.start) return false
  const tail = readTail(leaf, street.end)
  const cue = isNear(leaf, hint.CUE, start) ? 0.2 : 0
  if (street.score + tail.score + cue < THRESHOLD) return false
  add(leaf, unitBefore(leaf, start), tail.end)
  return true
}

/** From the earliest number before the suffix, else from the nearest: `Flat 3, 22 Baker St`. */
const fromSuffix = (leaf: Leaf, word: Word): boolean => {
  if (isLittle(leaf, word)) return false
  const { first, nearest } = houseNumbersBefore(leaf, word.start, TO_SUFFIX)
  if (first < 0) return false
  if (fromNumber(leaf, word, first)) return true
  return nearest > first && fromNumber(leaf, word, nearest)
}

const UNIT_REACH = 16

/** Start of `Flat 3, ` or `PMB 200, ` right before a house number; the number where there is none. */
const unitBefore = (leaf: Leaf, start: number): number => {
  if (at(leaf, start - 1) !== 32 || at(leaf, start - 2) !== 44) return start
  const end = previousEnd(leaf, start)
  const number = end < 0 ? start : wordStart(leaf, end)
  const before = end < 0 ? -1 : previousEnd(leaf, number)
  if (before < 0 || start - before > UNIT_REACH) return start
  const unit = wordStart(leaf, before)
  const isUnit = (hintsOfWord(leaf.source, unit, before) & hint.UNIT) !== 0
  return isUnit && unit >= leaf.done ? unit : start
}

const solidAfter = (leaf: Leaf, from: number): number => {
  let i = from
  while (i - from < 3 && (at(leaf, i) === 32 || at(leaf, i) === 46 || at(leaf, i) === 35)) i++
  return i
}

/** A state before five digits; the ones that are words too only in capitals. */
const isZip = (leaf: Leaf, word: Word, next: number): boolean => {
  const end = wordEnd(leaf, next)
  if (end - next !== 5 && end - next !== 10) return false
  for (let i = next; i < next + 5; i++) if (!isDigit(at(leaf, i))) return false
  return (word.hints & hint.STOP) === 0 || isUpper(at(leaf, word.start + 1))
}

/** `Apt. 5`, or a state before a ZIP: what lies between the house number and here is street and town. */
const fromAnchor = (leaf: Leaf, word: Word): boolean => {
  const next = solidAfter(leaf, word.end)
  const isUnit = (word.hints & hint.UNIT) !== 0
  if (!isDigit(at(leaf, next)) || !(isUnit || isZip(leaf, word, next))) return false
  const start = houseNumberBefore(leaf, word.start, isUnit ? TO_SUFFIX : TO_STATE)
  if (start < 0 || !isAlpha(at(leaf, solidAfter(leaf, wordEnd(leaf, start))))) return false
  add(leaf, start, readTail(leaf, word.start).end)
  return true
}

/** Words that are a way's name in one language and something else in another count only with a capital. */
const isWay = (leaf: Leaf, word: Word): boolean =>
  isUpper(at(leaf, word.start)) || word.hints === hint.STREET || (word.hints & hint.SUFFIX) === 0

/** Start of a house number right before a way's name, or -1. */
const numberBefore = (leaf: Leaf, way: number): number => {
  const end = previousEnd(leaf, way)
  const start = end < 0 ? -1 : wordStart(leaf, end)
  return start >= leaf.done && isDigit(at(leaf, start)) && isHouseNumber(leaf, start, end) ? start : -1
}

/** `ul. Długa 5`, `28992 Rua Braga`: the word for the way comes first. */
const fromStreetWord = (leaf: Leaf, word: Word): boolean => {
  const names = namesAfter(leaf, word.end)
  if (names === word.end || !isWay(leaf, word)) return false
  const number = numberAfter(leaf, names)
  const first = numberBefore(leaf, word.start)
  if (number < 0 && (first < 0 || !isUpper(at(leaf, word.start)))) return false
  add(leaf, first >= 0 ? first : word.start, readTail(leaf, Math.max(names, number)).end)
  return true
}

const BOX = new Set([
  'po',
  'p',
  'o',
  'box',
  'lock',
  'route',
  'rr',
  'rt',
  'hc',
  'office',
  'drawer',
  'bin',
  'pob',
  'postfach',
  'psc',
  'cmr',
  'unit',
])

/** Like the end of the word before, but over a full stop alone too, as in `P.O.`. */
const looseEnd = (leaf: Leaf, i: number): number => {
  let j = i
  while (i - j < 3 && (at(leaf, j - 1) === 32 || at(leaf, j - 1) === 46)) j--
  return isAlnum(at(leaf, j - 1)) ? j : -1
}

/** Start of `P.O. Box`, or of `PSC 802 Box` at the word `box`, or -1. */
const boxStart = (leaf: Leaf, word: Word): number => {
  let start = -1
  let i = word.start
  for (let n = 0; n < 3; n++) {
    const end = looseEnd(leaf, i)
    if (end < 0) break
    i = wordStart(leaf, end)
    let name = ''
    for (let k = i; k < end; k++) name += String.fromCharCode(at(leaf, k) | 32)
    if (n === 0 && isDigit(at(leaf, i))) continue
    if (!BOX.has(name)) break
    start = i
  }
  return start
}

const fromBox = (leaf: Leaf, word: Word): boolean => {
  const number = solidAfter(leaf, word.end)
  if (!isDigit(at(leaf, number))) return false
  const box = boxStart(leaf, word)
  if (box < 0) return false
  const house = houseNumberBefore(leaf, box, TO_SUFFIX)
  add(leaf, house >= 0 ? house : box, readTail(leaf, wordEnd(leaf, number)).end)
  return true
}

const isBox = (leaf: Leaf, word: Word): boolean =>
  (at(leaf, word.start) | 32) === 98 && (at(leaf, word.end - 1) | 32) === 120

const GRID_REACH = 24

/** `654 n 800 e`: a compass point between two numbers. */
const isGrid = (leaf: Leaf, word: Word): boolean =>
  (word.hints & hint.COMPASS) !== 0 &&
  word.start >= leaf.gridEnd &&
  isDigit(at(leaf, word.start - 2)) &&
  isDigit(at(leaf, solidAfter(leaf, word.end)))

const fromNumbered = (leaf: Leaf, word: Word): void => {
  if (word.start - leaf.digitsEnd > REACH) return
  if ((word.hints & (hint.UNIT | hint.STATE)) !== 0 && fromAnchor(leaf, word)) return
  if ((word.hints & (hint.SUFFIX | hint.HIGHWAY)) !== 0) fromSuffix(leaf, word)
  else if (isGrid(leaf, word) && !fromSuffix(leaf, word)) leaf.gridEnd = word.end + GRID_REACH
}

const onWord = (leaf: Leaf, word: Word): void => {
  if ((word.hints & hint.STREET) !== 0 && fromStreetWord(leaf, word)) return
  if ((word.hints & hint.POST) !== 0 && isBox(leaf, word) && fromBox(leaf, word)) return
  fromNumbered(leaf, word)
}

/** A capitalised word after the postal code, perhaps behind the two letters of a Dutch one. */
const hasTown = (leaf: Leaf, end: number): boolean => at(leaf, end) === 32 && isUpper(at(leaf, end + 1))

/** A line break, or a comma and a blank, right before. */
const isBroken = (leaf: Leaf, start: number): boolean => {
  const c = at(leaf, start - 1)
  return c === 10 || (c === 32 && at(leaf, start - 2) === 44)
}

/** `…, 65747 Karlhamn`: a postal code before its town, behind a comma or line break. */
const fromPostalCode = (leaf: Leaf, cluster: Cluster): boolean => {
  const start = cluster.groupStart[0] ?? 0
  if (!isBroken(leaf, start)) return false
  const end = wordEnd(leaf, start)
  if (end - start < 4 || end - start > 9 || !hasTown(leaf, end)) return false
  const street = streetBefore(leaf, at(leaf, start - 1) === 10 ? start - 1 : start - 2)
  if (street < 0) return false
  add(leaf, street, readTail(leaf, start - 1).end)
  return true
}

/** `Beerenstr. 99c`: the way is the end of a longer word. */
const fromCompound = (leaf: Leaf, cluster: Cluster): void => {
  const start = cluster.groupStart[0] ?? 0
  const end = wordEnd(leaf, start)
  if (end - start > 6) return
  const street = compoundBefore(leaf, start)
  if (street < 0) return
  const first = numberBefore(leaf, street)
  add(leaf, first >= 0 ? first : street, readTail(leaf, end).end)
}

/** A letter, or a letter's full stop, and a blank right before. */
const mayFollowName = (leaf: Leaf, start: number): boolean => {
  if (at(leaf, start - 1) !== 32 && at(leaf, start - 1) !== 46) return false
  const c = at(leaf, start - 2)
  return isAlpha(c) || (c === 46 && isAlpha(at(leaf, start - 3)))
}

/** Called at every number, also the short ones. */
const onNumber = (leaf: Leaf, cluster: Cluster): void => {
  if (at(leaf, (cluster.groupStart[0] ?? 0) - 1) > 44 || (leaf.own & (hint.DENY | hint.KINDS)) !== 0) return
  const start = cluster.groupStart[0] ?? 0
  if (!fromPostalCode(leaf, cluster) && mayFollowName(leaf, start)) fromCompound(leaf, cluster)
}

const VALUE_MAX = 400

const PROSE_WORDS = 7

interface Contents {
  letters: number
  digits: number
  words: number
  /** Holds a full stop, slash, colon or low line inside, as names of hosts, topics and accounts do. */
  isJoined: boolean
}

const isJoint = (c: number): boolean => c === 46 || c === 47 || c === 58 || c === 95

/** Letters, digits and words of a value; undefined when it holds a link, a mail address, a bracket or what was masked before. */
const contentsOf = (leaf: Leaf, start: number, end: number): Contents | undefined => {
  const contents: Contents = { letters: 0, digits: 0, words: 1, isJoined: false }
  for (let i = start; i < end; i++) {
    const c = at(leaf, i)
    if (isAlpha(c)) contents.letters++
    else if (isDigit(c)) contents.digits++
    else if (c === 32) contents.words++
    else if (isForeign(c) || (c === 58 && at(leaf, i + 1) === 47)) return undefined
    else if (isJoint(c) && i < end - 1) contents.isJoined = true
  }
  return contents
}

const isForeign = (c: number): boolean => c === 64 || c === 91 || c === 123 || c === 60

/** At least one letter, or digits under a key of a place, and no sentence. */
const isWorded = (leaf: Leaf, start: number, end: number): boolean => {
  const contents = contentsOf(leaf, start, end)
  if (contents === undefined || (contents.digits === 0 && contents.words > PROSE_WORDS)) return false
  if (contents.words === 1 && contents.isJoined) return false
  return contents.letters > 0 || (leaf.own & hint.PLACE) !== 0
}

const onValue = (leaf: Leaf): void => {
  const size = leaf.end - leaf.start
  if (size < 3 || size > VALUE_MAX) return
  const { start, end } = trimmed(leaf)
  if (!isWorded(leaf, start, end)) return
  addHit(leaf, { type: 'STREET_ADDRESS', start, end, score: 0.9 })
}

/** Street addresses after USPS Publication 28, and the forms other countries use, where an anchor makes them certain. */
export const address: Recognizer = {
  type: 'STREET_ADDRESS',
  words: hint.SUFFIX | hint.UNIT | hint.STATE | hint.STREET | hint.POST | hint.HIGHWAY | hint.COMPASS,
  onWord,
  onNumber,
  keys: hint.ADDRESS,
  onValue,
}
