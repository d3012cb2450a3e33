import { type Cluster, beginsAt, endsAt, numberIn, passesLuhn } from '../digits.ts'
import * as hint from '../hints.ts'
import { addHit, distance, isHinted, type Leaf } from '../leaf.ts'
import { once } from '../once.ts'
import type { Recognizer } from '../recognizer.ts'

/** Issuer ranges by their first six digits, with the lengths in use (ISO/IEC 7812 and the schemes' own rules). */
const RANGES: ReadonlyArray<readonly [number, number, string]> = [
  [222100, 272099, '16'],
  [220000, 220499, '16 17 18 19'],
  [300000, 305999, '14 16'],
  [309500, 309599, '14 16'],
  [340000, 349999, '15'],
  [352800, 358999, '16 17 18 19'],
  [360000, 369999, '14 16'],
  [370000, 379999, '15'],
  [380000, 399999, '14 16'],
  [400000, 499999, '13 16 19'],
  [500000, 509999, '16 19'],
  [510000, 559999, '16'],
  [560000, 589999, '16 19'],
  [601100, 601199, '16 19'],
  [600000, 601099, '16'],
  [601200, 619999, '16 19'],
  [620000, 629999, '16 17 18 19'],
  [636000, 639999, '16 19'],
  [644000, 659999, '16 19'],
  [670000, 679999, '16 18 19'],
  [810000, 822999, '16 17 18 19'],
  [979200, 979289, '16'],
]

/** Lengths that only a word or key can make believable: Maestro from 12, UATP, old JCB. */
const HINTED: ReadonlyArray<readonly [number, number, string]> = [
  [500000, 509999, '12 13 14 15 17 18'],
  [560000, 589999, '12 13 14 15 17 18'],
  [600000, 699999, '12 13 14 15 16 17 18 19'],
  [300000, 399999, '14 15 16'],
  [100000, 199999, '15'],
  [180000, 180099, '15'],
  [213100, 213199, '15'],
]

/** Lengths that fit, as bits, by the first four digits; finer ranges do not change which lengths are in use. */
const expand = (table: ReadonlyArray<readonly [number, number, string]>): Int32Array => {
  const lengths = new Int32Array(10_000)
  for (const [low, high, sizes] of table) {
    const bits = sizes.split(' ').reduce((all, size) => all | (1 << Number(size)), 0)
    for (let lead = Math.floor(low / 100); lead <= high / 100; lead++)
      lengths[lead] = (lengths[lead] ?? 0) | bits
  }
  return lengths
}

const known = once(() => expand(RANGES))
const lessKnown = once(() => expand(HINTED))

/** Groups as printed on cards: fours, 4-6-5, 4-6-4; anything else needs the word. */
const isPrinted = (cluster: Cluster, last: number): boolean => {
  const sizeOf = (group: number): number => (cluster.groupEnd[group] ?? 0) - (cluster.groupStart[group] ?? 0)
  if (last === 0) return true
  for (let group = 1; group <= last; group++) if (cluster.joint[group] !== cluster.joint[1]) return false
  if (cluster.joint[1] === 47) return false
  if (sizeOf(0) !== 4) return false
  if (last === 2) return sizeOf(1) === 6
  for (let group = 1; group < last; group++) if (sizeOf(group) !== 4) return false
  return last >= 3
}

const fits = (lengths: Int32Array, lead: number, size: number): boolean =>
  ((lengths[lead] ?? 0) & (1 << size)) !== 0

const isCard = (leaf: Leaf, cluster: Cluster, last: number): boolean => {
  const size = cluster.upTo[last] ?? 0
  if (size < SIZE_MIN || size > 19) return false
  const lead = numberIn(cluster, 0, 4)
  const isKnown = fits(known(), lead, size)
  if (!(isKnown || fits(lessKnown(), lead, size)) || !passesLuhn(cluster, size)) return false
  return (isKnown && isPrinted(cluster, last)) || isHinted(leaf, hint.CARD, cluster.groupStart[0] ?? 0)
}

const isDenied = (leaf: Leaf, start: number): boolean =>
  (leaf.own & (hint.DENY | hint.CARD)) === hint.DENY ||
  ((leaf.own & hint.CARD) === 0 &&
    distance(leaf, hint.DENY, start) <= 10 &&
    distance(leaf, hint.CARD, start) > 40)

/** A look at the first four digits and the first group, which rule out most numbers. */
const mayBeCard = (leaf: Leaf, cluster: Cluster, start: number): boolean => {
  if (cluster.size < SIZE_MIN || cluster.hasPlus || !beginsAt(leaf, start)) return false
  const lead = numberIn(cluster, 0, 4)
  const first = cluster.upTo[0] ?? 0
  if (known()[lead] !== 0 && (first === 4 || first >= SIZE_MIN)) return true
  return (known()[lead] !== 0 || lessKnown()[lead] !== 0) && isHinted(leaf, hint.CARD, start)
}

const SIZE_MIN = 12

const onDigits = (leaf: Leaf, cluster: Cluster): void => {
  const start = cluster.groupStart[0] ?? 0
  if (!mayBeCard(leaf, cluster, start)) return
  for (let last = cluster.groups - 1; last >= 0; last--) {
    const end = cluster.groupEnd[last] ?? 0
    if (!isCard(leaf, cluster, last) || !endsAt(leaf, end)) continue
    if (isDenied(leaf, start)) return
    addHit(leaf, { type: 'CREDIT_CARD', start, end, score: 0.98 })
    return
  }
}

/** Payment cards: issuer range, length and Luhn digit together; Luhn alone keeps one random number in ten. */
export const card: Recognizer = { type: 'CREDIT_CARD', onDigits }
