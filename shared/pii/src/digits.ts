import { isAlnum, isDigit } from './chars.ts'
import { at, before, type Leaf } from './leaf.ts'

const MAX_DIGITS = 24
const MAX_GROUPS = 10

/** Digits with the separators people put between them, read from one run of digits forward. Reused. */
export interface Cluster {
  start: number
  /** Offset behind the last group. */
  end: number
  /** Number of digits. */
  size: number
  groups: number
  readonly digit: Uint8Array
  readonly groupStart: Int32Array
  readonly groupEnd: Int32Array
  /** Digits up to and with each group. */
  readonly upTo: Int32Array
  /** Separator code before each group; 0 for the first, 1 for a mixture. */
  readonly joint: Int32Array
  hasPlus: boolean
  /** A parenthesis opens right before the digits. */
  hasParen: boolean
  /** Code unit before the sign or parenthesis. */
  before: number
}

export const createCluster = (): Cluster => ({
  start: 0,
  end: 0,
  size: 0,
  groups: 0,
  digit: new Uint8Array(MAX_DIGITS + 1),
  groupStart: new Int32Array(MAX_GROUPS + 1),
  groupEnd: new Int32Array(MAX_GROUPS + 1),
  upTo: new Int32Array(MAX_GROUPS + 1),
  joint: new Int32Array(MAX_GROUPS + 1),
  hasPlus: false,
  hasParen: false,
  before: 0,
})

const isJoint = (c: number): boolean => c === 32 || c === 45 || c === 46 || c === 47 || c === 40 || c === 41

const readGroup = (leaf: Leaf, cluster: Cluster, from: number): number => {
  let i = from
  for (; i < leaf.end; i++) {
    const c = leaf.bytes[i] ?? 0
    if (!isDigit(c)) break
    if (cluster.size < MAX_DIGITS) cluster.digit[cluster.size] = c - 48
    cluster.size++
  }
  const n = cluster.groups++
  cluster.groupStart[n] = from
  cluster.groupEnd[n] = i
  cluster.upTo[n] = cluster.size
  return i
}

/** Offset of the next group when only one to three separators lie between, else -1. */
const nextGroup = (leaf: Leaf, cluster: Cluster, from: number): number => {
  let i = from
  let joint = 0
  while (i < from + 3 && isJoint(at(leaf, i))) {
    const c = at(leaf, i)
    joint = joint === 0 ? c : 1
    i++
  }
  if (i === from || !isDigit(at(leaf, i))) return -1
  cluster.joint[cluster.groups] = joint
  return i
}

const readLead = (leaf: Leaf, cluster: Cluster, start: number): void => {
  let i = start - 1
  cluster.hasParen = before(leaf, i) === 40
  if (cluster.hasParen) i--
  cluster.hasPlus = before(leaf, i) === 43
  if (cluster.hasPlus) i--
  cluster.before = before(leaf, i)
  cluster.start = cluster.hasPlus || cluster.hasParen ? i + 1 : start
}

/** Reads the cluster that begins at a run of digits; bounded by 24 digits and 10 groups. */
export const readCluster = (leaf: Leaf, cluster: Cluster, start: number): void => {
  cluster.size = 0
  cluster.groups = 0
  cluster.joint[0] = 0
  readLead(leaf, cluster, start)
  let i = readGroup(leaf, cluster, start)
  while (cluster.groups < MAX_GROUPS && cluster.size < MAX_DIGITS) {
    const next = nextGroup(leaf, cluster, i)
    if (next < 0) break
    i = readGroup(leaf, cluster, next)
  }
  cluster.end = i
}

/** So many groups of a list are passed at once; a number that begins at one of them ends before the last group that was read. */
const LISTED = 4

/**
 * Behind the first groups of a list: as many groups as are read, of one or two digits; a zero first only behind a blank or dash, which
 * makes it the rest of what stands before. No number begins in one but what a word explains, before it or behind its end. The start of
 * the first group where it is no list.
 */
export const listEnd = (cluster: Cluster): number => {
  const last = cluster.groups - 1
  if (last < MAX_GROUPS - 1 || cluster.hasPlus || cluster.hasParen) return cluster.start
  for (let group = 0; group <= last; group++) if (!isListed(cluster, group)) return cluster.start
  return cluster.groupStart[LISTED] ?? cluster.start
}

const isListed = (cluster: Cluster, group: number): boolean => {
  const from = (cluster.upTo[group - 1] ?? 0) * Math.min(group, 1)
  if ((cluster.upTo[group] ?? 0) - from > 2) return false
  const joint = cluster.joint[group]
  if (cluster.digit[from] === 0 && group > 0) return joint === 32 || joint === 45
  return joint !== 46 && joint !== 1
}

/** Whether the group with this number ends a token: no letter, digit or further number part follows. */
export const endsAt = (leaf: Leaf, end: number): boolean => {
  const c = at(leaf, end)
  if (isAlnum(c) || c === 95) return false
  return !((c === 46 || c === 45) && isDigit(at(leaf, end + 1)))
}

/** Whether a token may begin here: no letter, digit or number part lies right before. */
export const beginsAt = (leaf: Leaf, start: number): boolean => {
  const c = before(leaf, start - 1)
  if (isAlnum(c) || c === 95) return false
  return !((c === 46 || c === 45) && isAlnum(before(leaf, start - 2)))
}

/** Twice a digit, with the tens added to the ones. */
const DOUBLED = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]

/** Luhn check over the first digits of a cluster (ISO/IEC 7812-1, annex B). */
export const passesLuhn = (cluster: Cluster, size: number): boolean => {
  let sum = 0
  for (let i = size - 1; i >= 0; i--) {
    const d = cluster.digit[i] ?? 0
    sum += (size - i) % 2 === 1 ? d : (DOUBLED[d] ?? 0)
  }
  return sum % 10 === 0
}

/** Number formed by digits [from, to) of a cluster. */
export const numberIn = (cluster: Cluster, from: number, to: number): number => {
  let value = 0
  for (let i = from; i < to; i++) value = value * 10 + (cluster.digit[i] ?? 0)
  return value
}
