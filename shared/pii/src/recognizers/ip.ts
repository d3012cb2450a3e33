import { isAlnum, isAlpha, isAsciiAlnum, isDigit, isHex } from '../chars.ts'
import type { Cluster } from '../digits.ts'
import * as hint from '../hints.ts'
import { addHit, at, before, distance, type Leaf } from '../leaf.ts'
import type { Recognizer } from '../recognizer.ts'

/** Behind a number up to 255 without leading zeros, or -1. */
const octetEnd = (leaf: Leaf, from: number): number => {
  let i = from
  let value = 0
  for (; i < from + 4 && isDigit(at(leaf, i)); i++) value = value * 10 + at(leaf, i) - 48
  const isPadded = i - from > 1 && at(leaf, from) === 48
  return i === from || i - from > 3 || isPadded || value > 255 ? -1 : i
}

/** End of a dotted quad (RFC 4291, 2.2.3; RFC 3986 dec-octet), or -1. */
const quadEnd = (leaf: Leaf, from: number): number => {
  let i = from
  for (let part = 0; part < 4; part++) {
    i = octetEnd(leaf, i)
    if (i < 0) return -1
    if (part === 3) return i
    if (at(leaf, i) !== 46) return -1
    i++
  }
  return -1
}

const isFreeBefore = (leaf: Leaf, start: number): boolean => {
  const c = before(leaf, start - 1)
  if (isAlnum(c) || c === 95 || c === 46) return false
  if (c === 45) return !isAlnum(before(leaf, start - 2))
  return c !== 47 || !isProduct(leaf, start - 2)
}

/** `Chrome/131.0.0.0`: a product's version, not a path. */
const isProduct = (leaf: Leaf, i: number): boolean => isAlpha(at(leaf, i))

const isFreeAfter = (leaf: Leaf, end: number): boolean => {
  const c = at(leaf, end)
  if (isAlnum(c) || c === 95) return false
  return !((c === 46 || c === 45) && isAlnum(at(leaf, end + 1)))
}

/** `version 1.2.3.4`: the word stands right before, with at most a sign between. */
const isVersion = (leaf: Leaf, start: number): boolean => {
  const gap = distance(leaf, hint.VERSION, start)
  if (gap > 6) return false
  for (let i = start - gap; i < start; i++) if (isAlnum(at(leaf, i)) || at(leaf, i) === 10) return false
  return true
}

const onDigits = (leaf: Leaf, cluster: Cluster): void => {
  const start = cluster.groupStart[0] ?? 0
  if (cluster.groups < 4 || cluster.joint[1] !== 46 || (leaf.own & hint.DENY) !== 0) return
  if (!isFreeBefore(leaf, start)) return
  const end = quadEnd(leaf, start)
  if (end < 0 || !isFreeAfter(leaf, end)) return
  if ((leaf.own & hint.IP) === 0 && isVersion(leaf, start)) return
  addHit(leaf, { type: 'IP_ADDRESS', start, end, score: 0.95 })
}

const isSixChar = (c: number): boolean => isHex(c) || c === 58

const sixStart = (leaf: Leaf, colon: number): number => {
  const { bytes } = leaf
  const least = Math.max(leaf.start, colon - 40)
  let i = colon
  while (i > least && isSixChar(bytes[i - 1] ?? 0)) i--
  return i
}

interface Groups {
  count: number
  gap: number
  hasDigit: boolean
  isLong: boolean
  end: number
}

const groupEnd = (leaf: Leaf, from: number): number => {
  let i = from
  while (i - from < 5 && isHex(at(leaf, i))) i++
  return i
}

const addGroup = (leaf: Leaf, groups: Groups, end: number): void => {
  groups.count++
  if (end - groups.end !== 2) groups.isLong = true
  for (let i = groups.end; i < end; i++) if (isDigit(at(leaf, i))) groups.hasDigit = true
}

/** The colon after a group: 2 for a gap, 1 for a next group, 0 for the end. */
const stepAfter = (leaf: Leaf, groups: Groups, i: number): number => {
  if (at(leaf, i) !== 58) return 0
  if (at(leaf, i + 1) === 58) return groups.gap < 0 ? 2 : 0
  return isHex(at(leaf, i + 1)) ? 1 : 0
}

/** Reads groups of RFC 4291 2.2 from `from`; ends at the first thing that cannot belong to an address. */
const readGroups = (leaf: Leaf, from: number): Groups => {
  const groups: Groups = { count: 0, gap: -1, hasDigit: false, isLong: false, end: from }
  if (at(leaf, from) === 58) {
    groups.gap = 0
    groups.end = from + 2
  }
  while (groups.count < 8) {
    const quad = groups.count > 0 || groups.gap >= 0 ? quadEnd(leaf, groups.end) : -1
    if (quad > 0) {
      groups.count += 2
      groups.hasDigit = true
      groups.isLong = true
      groups.end = quad
      break
    }
    const end = groupEnd(leaf, groups.end)
    if (end === groups.end || end - groups.end > 4) break
    addGroup(leaf, groups, end)
    const step = stepAfter(leaf, groups, end)
    groups.end = end + step
    if (step === 2) groups.gap = groups.count
    if (step === 0) break
  }
  return groups
}

const zoneEnd = (leaf: Leaf, from: number): number => {
  if (at(leaf, from) !== 37) return from
  let i = from + 1
  while (i - from < 16 && isAsciiAlnum(at(leaf, i))) i++
  return i > from + 1 ? i : from
}

/** Eight groups, or fewer around one gap, with a digit among them and not just pairs, which are hardware addresses. */
const isWhole = (groups: Groups, start: number): boolean => {
  if (!groups.hasDigit || groups.end - start < 3) return false
  return groups.gap >= 0 ? groups.count < 8 : groups.count === 8 && groups.isLong
}

/** Link-local and multicast addresses belong to nobody for long; in prose they are examples. */
const isLocal = (leaf: Leaf, start: number): boolean => {
  const first = at(leaf, start) | 32
  const second = at(leaf, start + 1) | 32
  return first === 102 && ((second === 101 && (at(leaf, start + 2) | 32) === 56) || second === 102)
}

const isSpoken = (leaf: Leaf, start: number): boolean =>
  (leaf.own & hint.IP) !== 0 || distance(leaf, hint.IP, start) <= 30

const mayStart = (leaf: Leaf, start: number): boolean => {
  const c = before(leaf, start - 1)
  if (isAlnum(c) || c === 95) return false
  return at(leaf, start) !== 58 || at(leaf, start + 1) === 58
}

const isEnded = (leaf: Leaf, end: number): boolean => {
  const next = at(leaf, end)
  return !isAlnum(next) && next !== 58 && next !== 95
}

const isPersonal = (leaf: Leaf, start: number): boolean => !isLocal(leaf, start) || isSpoken(leaf, start)

const onColon = (leaf: Leaf, colon: number): void => {
  if (colon < leaf.colonsEnd || (leaf.own & hint.DENY) !== 0) return
  const start = sixStart(leaf, colon)
  if (!mayStart(leaf, start)) return
  const groups = readGroups(leaf, start)
  leaf.colonsEnd = groups.end
  if (!isWhole(groups, start) || !isEnded(leaf, groups.end) || !isPersonal(leaf, start)) return
  addHit(leaf, { type: 'IP_ADDRESS', start, end: zoneEnd(leaf, groups.end), score: 0.95 })
}

/** IPv4 dotted quads and IPv6 of RFC 4291 and 5952, with zones; not versions, not hardware addresses. */
export const ip: Recognizer = { type: 'IP_ADDRESS', onDigits, onColon }
