import { CLASS, isAsciiAlnum, isDigit, isHex, isUpper, JOIN } from '../chars.ts'
import * as hint from '../hints.ts'
import { addHit, at, type Leaf, sliceOf, startsWith } from '../leaf.ts'
import type { Recognizer, Word } from '../recognizer.ts'
import { assignEnd, valueAt } from './secret-assign.ts'
import { hasPrefix, hookStart, isMarked } from './secret-prefixes.ts'

/** Three base64url parts, the first opening a JSON object (RFC 7519). */
const isJwt = (leaf: Leaf, start: number, end: number): boolean =>
  end - start > 30 && startsWith(leaf, 'eyJ', start) && sliceOf(leaf, start, end).split('.').length >= 3

/** Least size of a credential, less one. */
const LEFT_MIN = 15
const NAMED_MAX = 40

/** Behind the first `=` with enough left for a credential, else the start. */
const afterEquals = (leaf: Leaf, start: number, end: number): number => {
  const { bytes } = leaf
  const limit = Math.min(end - LEFT_MIN, start + NAMED_MAX)
  for (let i = start; i < limit; i++) if (bytes[i] === 61) return i + 1
  return start
}

const RANDOM_MIN = 40
const RANDOM_MAX = 128

const sortOf = (c: number): number => {
  if (isDigit(c)) return 1
  if (isUpper(c)) return 2
  return c >= 97 && c <= 122 ? 3 : 0
}

interface Mixture {
  readonly turns: number
  readonly slashes: number
  readonly rarest: number
  readonly isPlain: boolean
}

const isBaseSign = (c: number): boolean => c === 43 || c === 47 || c === 61

/** How often capitals, small letters and digits take turns: random text does at two places of three, words hardly ever. */
const mixtureOf = (leaf: Leaf, start: number, end: number): Mixture => {
  const counts = [0, 0, 0, 0]
  let turns = 0
  let slashes = 0
  let last = 0
  for (let i = start; i < end; i++) {
    const c = at(leaf, i)
    const sort = sortOf(c)
    counts[sort] = (counts[sort] ?? 0) + 1
    slashes += isBaseSign(c) ? 1 : 0
    turns += sort === last ? 0 : 1
    last = sort
  }
  const [others = 0, digits = 0, capitals = 0, small = 0] = counts
  return { turns, slashes, rarest: Math.min(digits, capitals, small), isPlain: others === slashes }
}

/** Under a key of bookkeeping, or behind the comma of a data URI. */
const isExcused = (leaf: Leaf, start: number): boolean =>
  (leaf.own & hint.DENY) !== 0 || at(leaf, start - 1) === 44

const PROBE = 20

/** Among twenty random letters and digits one is a capital; in a hash none is. */
const hasCapital = (leaf: Leaf, start: number): boolean => {
  for (let i = start; i < start + PROBE; i++) if (isUpper(at(leaf, i))) return true
  return false
}

/** A line of base64 as in key files: long, all sorts of letters mixed, with `+` or `/`. */
const isRandom = (leaf: Leaf, start: number, end: number): boolean => {
  const size = end - start
  if (size < RANDOM_MIN || size > RANDOM_MAX || isExcused(leaf, start)) return false
  if (!hasCapital(leaf, start)) return false
  const mixture = mixtureOf(leaf, start, end)
  if (!mixture.isPlain || mixture.rarest < 2 || mixture.slashes > size / 8) return false
  return mixture.turns > size * (mixture.slashes > 0 ? 0.4 : 0.5)
}

/** Behind a date or label that was joined to the token by a sign. */
const isChecksum = (leaf: Leaf, start: number): boolean =>
  (at(leaf, start) | 32) === 115 && startsWith(leaf, 'sha', start)

const isKnown = (leaf: Leaf, start: number, end: number): boolean =>
  hasPrefix(leaf, start, end) || isJwt(leaf, start, end) || isMarked(leaf, start, end)

/** Behind the slash before a credential of a known form, as in `url/hf_…`; -1 where there is none. */
const afterSlash = (leaf: Leaf, start: number, end: number): number => {
  const { bytes } = leaf
  const limit = Math.min(end - LEFT_MIN, start + SLASHED_MAX)
  for (let i = start; i < limit; i++) if (bytes[i] === 47 && isKnown(leaf, i + 1, end)) return i + 1
  return -1
}

const SLASHED_MAX = 200

const secretStart = (leaf: Leaf, span: { start: number; from: number; end: number }): number => {
  const { start, from, end } = span
  const hook = hookStart(leaf, start, end)
  if (hook >= 0) return hook
  return isKnown(leaf, from, end) ? from : afterSlash(leaf, from, end)
}

const onLong = (leaf: Leaf, start: number, end: number): void => {
  if (isChecksum(leaf, start)) return
  const from = afterEquals(leaf, start, end)
  const known = secretStart(leaf, { start, from, end })
  if (from > start && isKnown(leaf, start, from - 1))
    addHit(leaf, { type: 'SECRET', start, end: from - 1, score: 0.95 })
  if (known >= 0) addHit(leaf, { type: 'SECRET', start: known, end, score: 0.95 })
  else if (isRandom(leaf, from, end)) addHit(leaf, { type: 'SECRET', start: from, end, score: 0.7 })
}

const PLACEHOLDER =
  /^(?:[*x.\-_]+|<.*|\$.*|%.*|\{.*|\[.*|null|nil|true|false|none|undefined|required|optional|string|str|your.*|example.*|changeme|redacted|\(.*)$/i

/** A named password may be anything but a placeholder; what is only called a key or token must look random. */
const isCredible = (value: string, isStrong: boolean): boolean => {
  if (value.length < (isStrong ? 4 : 12) || value.length > 4096 || PLACEHOLDER.test(value)) return false
  if (isStrong) return true
  return /[0-9]/.test(value) && /[a-zA-Z]/.test(value) && !/^[0-9a-f-]+$/i.test(value) && !/\s/.test(value)
}

const VERSION = /^[\^~]?\d+\.\d+(?:\.\d+)?$/

const onValue = (leaf: Leaf): void => {
  const value = sliceOf(leaf, leaf.start, leaf.end)
  if (!isCredible(value.trim(), (leaf.own & hint.SECRET) !== 0) || VERSION.test(value)) return
  const scheme = /^(?:Bearer|Basic|Token|Digest) /i.exec(value)?.[0].length ?? 0
  addHit(leaf, { type: 'SECRET', start: leaf.start + scheme, end: leaf.end, score: 0.9 })
}

/** A digit or a sign that no name has: plain words after `password:` are prose, bare names are code. */
const isOdd = (value: string): boolean => /[0-9!@#$%^&*+=]/.test(value)

/** Calls, members, templates and versions. */
const CODE =
  /\($|^function|\.\w+\(|\$\{|^[\^~]?\d+\.\d+\.|^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+$|^[A-Z][A-Z_]+$/

const isCall = (value: string): boolean => CODE.test(value)

const fromName = (leaf: Leaf, word: Word): void => {
  const next = at(leaf, word.end)
  if (isAsciiAlnum(next) && next > 57) return
  const sign = assignEnd(leaf, word.end)
  const found = sign < 0 ? undefined : valueAt(leaf, sign)
  if (found === undefined) return
  const value = sliceOf(leaf, found.start, found.end)
  if (!isCredible(value, (word.hints & hint.SECRET) !== 0) || !isOdd(value) || isCall(value)) return
  addHit(leaf, { type: 'SECRET', start: found.start, end: found.end, score: 0.85 })
}

const DASHES = '-----'
const HEADER_MAX = 60
const BLOCK_MAX = 16_384

const dashesBefore = (leaf: Leaf, from: number): number => {
  for (let i = from - 1; from - i < HEADER_MAX; i--) {
    const c = at(leaf, i)
    if (c === 45) return startsWith(leaf, DASHES, i - 4) ? i - 4 : -1
    if (c !== 32 && !isAsciiAlnum(c)) return -1
  }
  return -1
}

const dashesAfter = (leaf: Leaf, from: number, reach: number): number => {
  const limit = Math.min(leaf.end, from + reach)
  for (let i = from; i < limit; i++) if (at(leaf, i) === 45 && startsWith(leaf, DASHES, i)) return i + 5
  return -1
}

/** `-----BEGIN … PRIVATE KEY-----` (RFC 7468), with all that follows up to its end line. */
const fromPem = (leaf: Leaf, word: Word): void => {
  if (!startsWith(leaf, 'PRIVATE KEY', word.start)) return
  const start = dashesBefore(leaf, word.start)
  const header = start < 0 ? -1 : dashesAfter(leaf, word.end, HEADER_MAX)
  if (header < 0) return
  const footer = startsWith(leaf, '-----BEGIN', start) ? dashesAfter(leaf, header, BLOCK_MAX) : -1
  const hasEnd = footer > 0 && startsWith(leaf, '-----END', footer - 5)
  const end = hasEnd ? dashesAfter(leaf, footer, HEADER_MAX) : header
  addHit(leaf, { type: 'SECRET', start, end: end > 0 ? end : header, score: 1 })
}

const onWord = (leaf: Leaf, word: Word): void => {
  if ((word.hints & hint.KEY_WORD) !== 0) fromPem(leaf, word)
  if ((word.hints & (hint.SECRET | hint.ASSIGN)) !== 0) fromName(leaf, word)
}

const isHostStart = (c: number): boolean => isAsciiAlnum(c) || c === 91

const colonIn = (leaf: Leaf, from: number, to: number): number => {
  for (let i = from; i < to; i++) if (at(leaf, i) === 58) return i
  return -1
}

const USER_INFO_MAX = 128

/** Whether what stands between `//` and the sign may be user and password. */
const isUserInfo = (leaf: Leaf, sign: number): boolean => {
  if (sign - leaf.urlStart > USER_INFO_MAX) return false
  for (let i = leaf.urlStart; i < sign; i++) if (at(leaf, i) <= 32 || at(leaf, i) === 47) return false
  return true
}

/** The password of `scheme://user:password@host` (RFC 3986 3.2.1). */
const onSign = (leaf: Leaf, sign: number): void => {
  if (!isUserInfo(leaf, sign)) return
  const colon = colonIn(leaf, leaf.urlStart, sign)
  if (colon < 0 || colon >= sign - 1 || !isHostStart(at(leaf, sign + 1)) || at(leaf, colon + 1) === 91) return
  addHit(leaf, { type: 'SECRET', start: colon + 1, end: sign, score: 0.95 })
}

const BOT_MIN = 30

const tokenEnd = (leaf: Leaf, from: number): number => {
  let i = from
  while (isAsciiAlnum(at(leaf, i)) || (CLASS[at(leaf, i)] === JOIN && at(leaf, i) !== 46)) i++
  return i
}

/** `123456789:AA…`: a bot's number and its token. */
const onColon = (leaf: Leaf, colon: number): void => {
  let start = colon
  while (colon - start < 11 && isDigit(at(leaf, start - 1))) start--
  if (colon - start < 8 || isHex(at(leaf, start - 1)) || at(leaf, colon + 1) !== 65) return
  const end = tokenEnd(leaf, colon + 1)
  if (end - colon > BOT_MIN && end - colon < 50) addHit(leaf, { type: 'SECRET', start, end, score: 0.95 })
}

/** Credentials by their public prefixes and forms, by key name, in URLs, in key files, and JSON web tokens. */
export const secret: Recognizer = {
  type: 'SECRET',
  onLong,
  onColon,
  words: hint.SECRET | hint.ASSIGN | hint.KEY_WORD,
  onWord,
  onSign,
  keys: hint.SECRET | hint.WEAK_SECRET,
  onValue,
}
