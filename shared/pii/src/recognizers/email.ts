import { isAlnum, isAlpha, isAsciiAlnum, isDigit } from '../chars.ts'
import { addHit, at, type Leaf, startsWith } from '../leaf.ts'
import type { Recognizer } from '../recognizer.ts'
import { MASKED_HOST } from '../shape.ts'

const LOCAL_MAX = 64
const HOST_MAX = 253
const LABEL_MAX = 63

/** Letters and digits, `-` and `_`: what a label of a host is made of. */
const LABEL = Uint8Array.from({ length: 256 }, (_, c) => (isAlnum(c) || c === 45 || c === 95 ? 1 : 0))

/** RFC 5322 atext without `/`, `|`, `{`, `}`, backtick and quote marks, which around addresses are mostly punctuation. */
const ATEXT = Uint8Array.from(LABEL)
for (const sign of ".+&!#$%*^~'") ATEXT[sign.charCodeAt(0)] = 1

/** Up to four letters, made small, as one number. */
const packed = (leaf: Leaf, start: number, end: number): number => {
  let letters = 0
  for (let i = start; i < end; i++) letters = (letters << 8) | at(leaf, i) | 32
  return letters
}

const packedText = (text: string): number =>
  Array.from(text).reduce((letters, char) => (letters << 8) | char.charCodeAt(0), 0)

/** File name endings that follow an `@2x` or `name@1.png` and are no top-level domain. */
const FILES = new Set(
  'png jpg jpeg gif svg webp css js mjs cjs ts tsx jsx json map yml yaml html htm xml pdf txt lock ico'
    .split(' ')
    .map(packedText),
)

const localStart = (leaf: Leaf, sign: number): number => {
  let i = sign
  while (i > leaf.start && sign - i < LOCAL_MAX && ATEXT[at(leaf, i - 1)] === 1) i--
  while (i < sign && !isAlnum(at(leaf, i)) && at(leaf, i) !== 95) i++
  return at(leaf, sign - 1) === 46 ? sign : i
}

/** A quoted local part (RFC 5321 4.1.2), at most 64 units, on one line. */
const quotedStart = (leaf: Leaf, sign: number): number => {
  for (let i = sign - 2; i >= leaf.start && sign - i <= LOCAL_MAX + 2; i--) {
    const c = at(leaf, i)
    if (c === 34) return i < sign - 2 ? i : sign
    if (c < 32) return sign
  }
  return sign
}

const labelEnd = (leaf: Leaf, from: number): number => {
  let i = from
  while (i - from < LABEL_MAX && LABEL[at(leaf, i)] === 1) i++
  return i
}

const isTopLevel = (leaf: Leaf, start: number, end: number): boolean => {
  if (end - start < 2) return false
  for (let i = start; i < end; i++) if (!isAlpha(at(leaf, i))) return startsWith(leaf, 'xn--', start)
  return end - start > 4 || !FILES.has(packed(leaf, start, end))
}

/** End of a top level that is the whole label, or to which a number is glued by a dash (`org-2001`); else -1. */
const topLevelEnd = (leaf: Leaf, start: number, end: number): number => {
  if (isTopLevel(leaf, start, end)) return end
  let dash = start
  while (dash < end && isAlpha(at(leaf, dash))) dash++
  const isGlued = at(leaf, dash) === 45 && isDigit(at(leaf, dash + 1))
  return isGlued && isTopLevel(leaf, start, dash) ? dash : -1
}

/** End of a host name with at least two labels and an alphabetic top level, or `from` when there is none. */
const hostEnd = (leaf: Leaf, from: number): number => {
  let best = from
  let i = from
  for (let labels = 1; i - from < HOST_MAX; labels++) {
    let end = labelEnd(leaf, i)
    if (end === i) break
    while (end > i && at(leaf, end - 1) === 45) end--
    if (labels > 1) best = Math.max(best, topLevelEnd(leaf, i, end))
    if (at(leaf, end) !== 46) break
    i = end + 1
  }
  return best
}

const isLiteralStart = (leaf: Leaf, i: number): boolean =>
  isDigit(at(leaf, i)) || startsWith(leaf, 'IPv6:', i)

/** `[192.0.2.1]` or `[IPv6:…]` after the sign. */
const literalEnd = (leaf: Leaf, from: number): number => {
  if (at(leaf, from) !== 91 || !isLiteralStart(leaf, from + 1)) return from
  for (let i = from + 1; i < from + 50; i++) {
    const c = at(leaf, i)
    if (c === 93) return i - from > 3 ? i + 1 : from
    if (!isAsciiAlnum(c) && c !== 46 && c !== 58) return from
  }
  return from
}

const USER_INFO_MAX = 80

/** `user:password@host` in a URL: the sign belongs to the URL, not to an address. */
const isUserInfo = (leaf: Leaf, start: number): boolean => {
  if (at(leaf, start - 1) !== 58) return at(leaf, start - 1) === 47 && at(leaf, start - 2) === 47
  for (let i = start - 2; start - i < USER_INFO_MAX; i--) {
    const c = at(leaf, i)
    if (c === 47) return at(leaf, i - 1) === 47
    if (c <= 32 || c === 34 || c === 39 || c === 60 || c === 62) return false
  }
  return false
}

const endOf = (leaf: Leaf, sign: number): number => {
  const literal = literalEnd(leaf, sign + 1)
  return literal > sign + 1 ? literal : hostEnd(leaf, sign + 1)
}

/** What `keepsShape` left: small letters at a host that must not exist. */
const isMasked = (leaf: Leaf, start: number, sign: number): boolean => {
  if (!startsWith(leaf, MASKED_HOST, sign + 1)) return false
  for (let i = start; i < sign; i++) if (at(leaf, i) < 97 || at(leaf, i) > 122) return false
  return true
}

const onSign = (leaf: Leaf, sign: number): void => {
  const end = endOf(leaf, sign)
  if (end === sign + 1) return
  const start = at(leaf, sign - 1) === 34 ? quotedStart(leaf, sign) : localStart(leaf, sign)
  if (start >= sign || isUserInfo(leaf, start) || isMasked(leaf, start, sign)) return
  if (isDigit(at(leaf, end)) || isScpPath(leaf, start, end)) return
  addHit(leaf, { type: 'EMAIL', start, end, score: 1 })
}

/** `git@host:path` names a service account of a version control host, not a person. */
const isScpPath = (leaf: Leaf, start: number, end: number): boolean =>
  at(leaf, end) === 58 && isAlpha(at(leaf, end + 1)) && startsWith(leaf, 'git@', start)

/** RFC 5321 and 5322 addresses, with quoted local parts, address literals and international letters. */
export const email: Recognizer = { type: 'EMAIL', onSign }
