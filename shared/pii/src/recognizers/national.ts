import { isAsciiAlnum, isDigit, isUpper } from '../chars.ts'
import type { Cluster } from '../digits.ts'
import { beginsAt, endsAt } from '../digits.ts'
import * as hint from '../hints.ts'
import { addHit, at, isMaskedAt, type Leaf, sliceOf } from '../leaf.ts'
import type { Recognizer, Word } from '../recognizer.ts'
import { isNationalForm } from './national-forms.ts'

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

const REACH = 30
const TOKEN_MAX = 24
const DIGITS_MIN = 6

interface Token {
  start: number
  end: number
  digits: number
}

/** Letters and digits from an offset on. */
const readGroup = (leaf: Leaf, token: Token, from: number): number => {
  let i = from
  for (; i - token.start < TOKEN_MAX && isAsciiAlnum(at(leaf, i)); i++)
    if (isDigit(at(leaf, i))) token.digits++
  return i
}

const isJoint = (c: number): boolean => c === 32 || c === 45 || c === 46 || c === 47

/** A group with a digit first, or a lone capital at the end, as the check letter of some numbers. */
const goesOn = (leaf: Leaf, i: number): boolean =>
  isDigit(at(leaf, i)) || (isUpper(at(leaf, i)) && !isAsciiAlnum(at(leaf, i + 1)))

/** A number with what people put between its groups: `529.982.247-25`, `AB 12 34 56 C`. */
const readToken = (leaf: Leaf, start: number): Token => {
  const token: Token = { start, end: start, digits: 0 }
  token.end = readGroup(leaf, token, start)
  while (isJoint(at(leaf, token.end)) && goesOn(leaf, token.end + 1)) {
    const next = readGroup(leaf, token, token.end + 1)
    if (next - start >= TOKEN_MAX) break
    token.end = next
  }
  return token
}

/** The first number behind a word; the names of numbers allow for groups, words such as `license` do not. */
const onWord = (leaf: Leaf, word: Word): void => {
  const isNamed = (word.hints & hint.HARDWARE) !== 0
  const limit = Math.min(leaf.end, word.end + REACH)
  for (let i = word.end; i < limit; i++) {
    if (at(leaf, i) === 10 || isMaskedAt(leaf, i)) return
    if (!isAsciiAlnum(at(leaf, i))) continue
    const token: Token = { start: i, end: i, digits: 0 }
    token.end = readGroup(leaf, token, i)
    const { start, end, digits } = isNamed ? readToken(leaf, i) : token
    if (digits >= DIGITS_MIN) {
      addHit(leaf, { type: 'OTHER', start, end, score: 0.7 })
      return
    }
    i = token.end - 1
  }
}

/** Sizes of the printed forms that begin with a digit: with full stops, or eighteen digits in one. */
const isFormed = (cluster: Cluster, size: number): boolean =>
  cluster.groups === 1 || cluster.size === size
    ? size === 18
    : cluster.joint[1] === 46 && (size === 14 || size === 16 || size === 18)

/** Numbers whose printed form and check digits are telling without a word. */
const onDigits = (leaf: Leaf, cluster: Cluster): void => {
  const start = cluster.groupStart[0] ?? 0
  const end = at(leaf, cluster.end) === 88 ? cluster.end + 1 : cluster.end
  const size = end - start
  if (!isFormed(cluster, size) || cluster.start !== start || (leaf.own & hint.DENY) !== 0) return
  if (!beginsAt(leaf, start) || !endsAt(leaf, end) || !isNationalForm(sliceOf(leaf, start, end))) return
  addHit(leaf, { type: 'OTHER', start, end, score: 0.9 })
}

const LETTERED = new Set([16, 18])

const onLong = (leaf: Leaf, start: number, end: number): void => {
  if (!LETTERED.has(end - start) || !isUpper(at(leaf, start)) || !isDigit(at(leaf, start + 6))) return
  if (isNationalForm(sliceOf(leaf, start, end))) addHit(leaf, { type: 'OTHER', start, end, score: 0.9 })
}

/** National, tax, licence and hardware identifiers: where a key or word names them, or where form and check digits do. */
export const national: Recognizer = {
  type: 'OTHER',
  words: hint.NATIONAL | hint.HARDWARE,
  onWord,
  onDigits,
  onLong,
  keys: hint.NATIONAL | hint.HARDWARE,
  onValue,
}
