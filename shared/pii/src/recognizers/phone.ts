import { isAlnum, isAlpha, isDigit, isHex } from '../chars.ts'
import { beginsAt, type Cluster, endsAt, numberIn } from '../digits.ts'
import * as hint from '../hints.ts'
import { addHit, at, before, distance, type Leaf, sliceOf } from '../leaf.ts'
import { once } from '../once.ts'
import type { Recognizer } from '../recognizer.ts'
import { hintsOfWord } from '../words.ts'

/** Country calling codes (ITU-T E.164, list of assigned codes) with the lengths of national numbers: `code:min-max`. */
const PLANS =
  '1:10 7:10 20:8-10 27:5-9 30:10 31:7-9 32:8-9 33:9 34:9 36:8-9 39:6-12 40:9 41:9-12 43:4-13 44:7-10 45:8 46:7-10 47:5-8 48:9 49:4-13 51:8-9 ' +
  '52:10-11 53:6-8 54:10-11 55:10-11 56:9-10 57:8-10 58:10 60:8-10 61:5-10 62:7-12 63:8-10 64:7-10 65:8 66:8-9 81:9-10 82:8-11 84:9-10 86:9-12 ' +
  '90:10 91:10 92:9-10 93:9 94:9 95:6-10 98:10 211:9 212:9 213:8-9 216:8 218:8-9 220:7 221:9 222:8 223:8 224:9 225:8-10 226:8 227:8 228:8 ' +
  '229:8-10 230:7-8 231:7-9 232:8 233:9 234:7-10 235:8 236:8 237:8-9 238:7 239:7 240:9 241:7-8 242:9 243:7-9 244:9 245:7-9 246:7 247:4-6 248:7 ' +
  '249:9 250:8-9 251:9 252:7-9 253:8 254:7-10 255:9 256:9 257:8 258:8-9 260:9 261:9 262:9 263:7-10 264:8-9 265:7-9 266:8 267:7-8 268:8 269:7 ' +
  '290:4-5 291:7 297:7 298:6 299:6 350:8 351:9 352:4-11 353:7-10 354:7-9 355:8-9 356:8 357:8 358:5-12 359:7-9 370:8 371:8 372:7-8 373:8 ' +
  '374:8 375:9-10 376:6-9 377:8-9 378:6-10 379:9 380:9 381:7-10 382:8-9 383:8-9 385:8-9 386:8 387:8-9 389:8 420:9 421:9 423:7-9 500:5 501:7 ' +
  '502:8 503:7-8 504:8 505:8 506:8 507:7-8 508:6-9 509:8 590:9 591:8 592:7 593:8-9 594:9 595:7-9 596:9 597:6-7 598:7-8 599:7-8 670:7-8 672:5-6 673:7 ' +
  '674:7 675:7-8 676:5-7 677:5-7 678:5-7 679:7 680:7 681:6 682:5 683:4-7 685:5-7 686:5-8 687:6 688:5-7 689:6-8 690:4-7 691:7 692:7 800:8 808:8 850:8-10 ' +
  '852:8 853:8 855:8-9 856:8-10 870:9 878:12 880:8-10 881:8-9 882:7-12 883:7-12 886:8-10 888:11 960:7 961:7-8 962:8-9 963:8-9 964:8-10 965:8 966:9 967:7-9 ' +
  '968:8 970:8-9 971:8-9 972:8-9 973:8 974:8 975:7-8 976:8 977:8-10 979:9 992:9 993:8 994:9 995:9 996:9 998:9'

const plansOf = (): Int32Array => {
  const lengths = new Int32Array(1000)
  for (const row of PLANS.split(' ')) {
    const [code = '0', range = '0'] = row.split(':')
    const [min = '0', max = min] = range.split('-')
    lengths[Number(code)] = Number(min) | (Number(max) << 8)
  }
  return lengths
}

const plans = once(plansOf)

const fits = (plan: number, size: number): boolean => plan !== 0 && size >= (plan & 255) && size <= plan >> 8

/** North American numbers: area and exchange begin with 2–9, and no area N9X or ending in 11. */
const isNorthAmerican = (cluster: Cluster, from: number): boolean => {
  const area = numberIn(cluster, from, from + 3)
  const exchange = cluster.digit[from + 3] ?? 0
  return area >= 200 && exchange >= 2 && area % 100 !== 11 && Math.floor(area / 10) % 10 !== 9
}

/** A national prefix written after the country code, as in `+44 (0)20`, does not count. */
const trunkAt = (cluster: Cluster, index: number): number => (cluster.digit[index] === 0 ? 1 : 0)

/** Whether digits [from, size) are a country code with a number of a length its plan allows. */
const isInternational = (cluster: Cluster, from: number, size: number): boolean => {
  for (let code = 1; code <= 3; code++) {
    const prefix = numberIn(cluster, from, from + code)
    const plan = plans()[prefix] ?? 0
    if (plan === 0) continue
    const national = size - from - code
    if (prefix === 1) return national === 10 && (cluster.digit[from + 1] ?? 0) >= 2
    return fits(plan, national) || fits(plan, national - trunkAt(cluster, from + code))
  }
  return false
}

const sizeOf = (cluster: Cluster, group: number): number =>
  (cluster.groupEnd[group] ?? 0) - (cluster.groupStart[group] ?? 0)

/** 3-3-4 with dashes, dots, spaces or parentheses, with or without a leading 1. */
const isGroupedNorthAmerican = (cluster: Cluster, last: number): boolean => {
  const first = last === 3 && sizeOf(cluster, 0) === 1 && cluster.digit[0] === 1 ? 1 : 0
  if (last - first !== 2 || sizeOf(cluster, first) !== 3) return false
  if (sizeOf(cluster, first + 1) !== 3 || sizeOf(cluster, first + 2) !== 4) return false
  return isNorthAmerican(cluster, first)
}

/** No group of one digit and no full stop between. */
const isEvenly = (cluster: Cluster, last: number): boolean => {
  for (let group = 1; group <= last; group++)
    if (sizeOf(cluster, group) < 2 || cluster.joint[group] === 46) return false
  return true
}

/** Leading 0 and two to five groups, nine to eleven digits: how most other plans write a number at home. */
const isGroupedNational = (cluster: Cluster, last: number): boolean => {
  const size = cluster.upTo[last] ?? 0
  if (cluster.digit[0] !== 0 || cluster.digit[1] === 0 || size < 9 || size > 11) return false
  if (last < 1 || last > 4 || sizeOf(cluster, 0) > 5 || sizeOf(cluster, 0) < 2) return false
  return isEvenly(cluster, last)
}

/** `(030) 123456`: an area code in parentheses. */
const isParenthesised = (leaf: Leaf, cluster: Cluster, last: number): boolean => {
  const size = cluster.upTo[last] ?? 0
  if (!cluster.hasParen || last < 1 || size < 8 || size > 12) return false
  return (
    sizeOf(cluster, 0) >= 2 &&
    sizeOf(cluster, 0) <= 5 &&
    at(leaf, cluster.groupEnd[0] ?? 0) === 41 &&
    sizeOf(cluster, 1) >= 3
  )
}

/** Between six and fifteen digits, and no date: enough where a key or word says it is a telephone number. */
const isPlausible = (cluster: Cluster, last: number): boolean => {
  const size = cluster.upTo[last] ?? 0
  if (size < 6 || size > 15) return false
  return !(last === 2 && sizeOf(cluster, 0) === 4 && sizeOf(cluster, 1) <= 2 && sizeOf(cluster, 2) <= 2)
}

/** `0049 …`: the international prefix dialled in most countries, in groups. */
const isDialled = (cluster: Cluster, last: number): boolean =>
  last > 0 &&
  cluster.digit[0] === 0 &&
  cluster.digit[1] === 0 &&
  isInternational(cluster, 2, cluster.upTo[last] ?? 0)

/** `01.42.15.77.40`: five pairs with full stops, which no version or address has. */
const isPairs = (cluster: Cluster, last: number): boolean => {
  if (last !== 4 || cluster.upTo[4] !== 10 || cluster.digit[0] !== 0 || cluster.digit[1] === 0) return false
  for (let group = 0; group <= 4; group++) if (sizeOf(cluster, group) !== 2) return false
  return true
}

/** `01 02 03 04 05`: bytes or a count. */
const isCounting = (cluster: Cluster, last: number): boolean => {
  for (let group = 0; group <= last; group++)
    if (sizeOf(cluster, group) !== 2 || cluster.digit[2 * group] !== 0) return false
  return true
}

const isNational = (leaf: Leaf, cluster: Cluster, last: number): boolean => {
  if (isDialled(cluster, last)) return true
  if (isCounting(cluster, last) || isDump(leaf, cluster.start, cluster.groupEnd[last] ?? 0)) return false
  return isPairs(cluster, last) || isGroupedNational(cluster, last)
}

/** `35236450.6`: a single digit behind a full stop is a fraction. */
const isDecimal = (cluster: Cluster, last: number): boolean =>
  last === 1 && cluster.joint[1] === 46 && sizeOf(cluster, 1) === 1

/** How sure the shape alone makes it, before words and keys. */
const shapeScore = (leaf: Leaf, cluster: Cluster, last: number): number => {
  const size = cluster.upTo[last] ?? 0
  if (isDecimal(cluster, last)) return 0
  if (cluster.hasPlus) return isInternational(cluster, 0, size) ? 0.95 : 0
  if (isGroupedNorthAmerican(cluster, last)) return 0.85
  if (isNational(leaf, cluster, last)) return 0.75
  if (isParenthesised(leaf, cluster, last)) return 0.7
  return 0
}

const WORDS = /^[ ,.]{0,2}(?:x|ext\.?|extension|#)[ .:]{0,2}[0-9]{1,6}/i

/** Up to two signs, and the first letter or sign of an extension. */
const mayExtend = (leaf: Leaf, end: number): boolean => {
  let i = end
  while (i < end + 2 && isGap(at(leaf, i))) i++
  const c = at(leaf, i) | 32
  return c === 120 || c === 101 || c === 35
}

const isGap = (c: number): boolean => c === 32 || c === 44 || c === 46

/** Includes an extension of up to six digits that follows. */
const withExtension = (leaf: Leaf, end: number): number => {
  if (at(leaf, end) === 46 || !mayExtend(leaf, end)) return end
  const found = WORDS.exec(sliceOf(leaf, end, Math.min(leaf.end, end + 20)))
  return found === null ? end : end + found[0].length
}

const isExtension = (leaf: Leaf, end: number): boolean =>
  (at(leaf, end) | 32) === 120 && isDigit(at(leaf, end + 1)) && isDigit(at(leaf, end - 2))

const endsNumber = (leaf: Leaf, end: number): boolean => endsAt(leaf, end) || isExtension(leaf, end)

const isByte = (leaf: Leaf, i: number): boolean =>
  isHex(at(leaf, i)) && isHex(at(leaf, i + 1)) && !isAlnum(at(leaf, i + 2)) && !isAlnum(at(leaf, i - 1))

/** Two hexadecimal digits between blanks before or behind: the pairs are a dump of bytes. */
const isDump = (leaf: Leaf, start: number, end: number): boolean =>
  (at(leaf, end) === 32 && isByte(leaf, end + 1)) || (at(leaf, start - 1) === 32 && isByte(leaf, start - 3))

const beginsNumber = (leaf: Leaf, cluster: Cluster): boolean => {
  if (cluster.hasPlus) return !isAlnum(cluster.before) && cluster.before !== 41
  if (cluster.hasParen) return !isAlpha(cluster.before)
  const c = cluster.before
  if (c === 35 || c === 36 || c === 47) return false
  return beginsAt(leaf, cluster.start)
}

/** A name on one line says nothing about the number on the next, unless a colon ends the line. */
const isOneLine = (leaf: Leaf, from: number, to: number): boolean => {
  for (let i = from; i < to; i++) if (at(leaf, i) === 10) return at(leaf, i - 1) === 58
  return true
}

/** `… office`, `…-fax`: the word stands right behind. */
const isNamedBehind = (leaf: Leaf, end: number): boolean => {
  let i = end
  while (i - end < 2 && (at(leaf, i) === 32 || at(leaf, i) === 45 || at(leaf, i) === 40)) i++
  let stop = i
  while (stop - i < 12 && isAlpha(at(leaf, stop))) stop++
  return i > end && stop > i && (hintsOfWord(leaf.source, i, stop) & hint.PHONE) !== 0
}

/** Words near by: a telephone word counts unless a bookkeeping word stands closer. */
const isCalled = (leaf: Leaf, start: number): boolean => {
  if ((leaf.own & hint.PHONE) !== 0) return true
  if ((leaf.own & (hint.DENY | hint.KINDS)) !== 0) return false
  const gap = distance(leaf, hint.PHONE, start)
  return gap <= 30 && isOneLine(leaf, start - gap, start) && distance(leaf, hint.DENY, start) > 12
}

const isDenied = (leaf: Leaf, start: number): boolean => {
  if ((leaf.own & hint.PHONE) !== 0) return false
  if ((leaf.own & hint.DENY) !== 0) return true
  return distance(leaf, hint.DENY, start) <= 12 && distance(leaf, hint.PHONE, start) > 30
}

const OTHER_NUMBER = hint.SSN | hint.CARD | hint.IBAN | hint.PASSPORT | hint.NATIONAL | hint.HARDWARE

/** Digits before this number in the same stretch: the rest of a longer one. */
const isContinued = (leaf: Leaf, cluster: Cluster): boolean => {
  const c = at(leaf, cluster.start - 1)
  const isJoined = c === 32 || c === 45 || c === 46
  return isJoined && isDigit(before(leaf, cluster.start - 2)) && !cluster.hasPlus
}

/** Digits go before it and nothing parts them from it: its own shape says nothing. */
const isRest = (leaf: Leaf, cluster: Cluster): boolean => cluster.joint[1] !== 1 && isContinued(leaf, cluster)

const scoreOf = (leaf: Leaf, cluster: Cluster, given: { last: number; called: boolean }): number => {
  const { last } = given
  const called = given.called || isNamedBehind(leaf, cluster.groupEnd[last] ?? 0)
  const shape = shapeScore(leaf, cluster, last)
  if (called && isPlausible(cluster, last)) return Math.max(shape, last === 0 || shape > 0 ? 0.8 : 0.7)
  return isRest(leaf, cluster) ? 0 : shape
}

const mayBePhone = (leaf: Leaf, cluster: Cluster): boolean => {
  if (cluster.size < 6 || !beginsNumber(leaf, cluster) || isDenied(leaf, cluster.start)) return false
  return cluster.hasPlus || (leaf.own & OTHER_NUMBER) === 0 || (leaf.own & hint.PHONE) !== 0
}

const GROUPS_MAX = 6

/** How every shape begins that tells without a word: a sign, a zero, an area code of three digits, or the country code before one. */
const isShaped = (cluster: Cluster): boolean => {
  const first = cluster.digit[0] ?? 0
  if (cluster.hasPlus || cluster.hasParen || first === 0 || sizeOf(cluster, 0) === 3) return true
  return first === 1 && sizeOf(cluster, 0) === 1 && cluster.groups > 1 && sizeOf(cluster, 1) === 3
}

/** The group that a number without shape or word before it must end with: a word right behind can only follow the last. */
const firstLast = (leaf: Leaf, cluster: Cluster, called: boolean): number =>
  called || (isShaped(cluster) && !isRest(leaf, cluster)) ? 0 : cluster.groups - 1

const onDigits = (leaf: Leaf, cluster: Cluster): void => {
  if (!mayBePhone(leaf, cluster)) return
  const called = isCalled(leaf, cluster.start)
  const least = firstLast(leaf, cluster, called)
  for (let last = Math.min(cluster.groups, GROUPS_MAX) - 1; last >= least; last--) {
    const end = cluster.groupEnd[last] ?? 0
    if ((cluster.upTo[last] ?? 0) > DIGITS_MAX || !endsNumber(leaf, end)) continue
    const score = scoreOf(leaf, cluster, { last, called })
    if (score === 0) continue
    addHit(leaf, { type: 'PHONE', start: cluster.start, end: withExtension(leaf, end), score })
    return
  }
}

const DIGITS_MAX = 17

/** Telephone numbers: E.164 with the country's own lengths, national groupings, or any plausible digits a key or word names. */
export const phone: Recognizer = { type: 'PHONE', onDigits }
