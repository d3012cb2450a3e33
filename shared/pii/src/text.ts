import { type Cluster, createCluster, listEnd, readCluster } from './digits.ts'
import { CLASS, isAlnum, isDigit, JOIN, LETTER } from './chars.ts'
import { at, before, type Hit, isNear, isTaken, type Leaf, noteWord, pass, passHits } from './leaf.ts'
import type { Openings } from './placeholder.ts'
import type { Recognizer, Word } from './recognizer.ts'
import * as hint from './hints.ts'
import { isQuiet } from './quiet.ts'
import { recognizers } from './recognizers/index.ts'
import { readCells, type Table, tableOf } from './table.ts'
import {
  COLONS,
  createTokens,
  DIGITS,
  LONG,
  LONG_MIN,
  MASKED,
  readTokens,
  SIGN,
  SLASHES,
  type Tokens,
  WORD,
} from './tokens.ts'

const tokens: Tokens = createTokens()
const cluster: Cluster = createCluster()
const word: Word = { start: 0, end: 0, hints: 0 }

const keyed = recognizers.filter(one => one.onValue !== undefined)
const onDigits = recognizers.flatMap(one => one.onDigits ?? [])
const onNumber = recognizers.flatMap(one => one.onNumber ?? [])
const onSign = recognizers.flatMap(one => one.onSign ?? [])
const onColon = recognizers.flatMap(one => one.onColon ?? [])
const onLong = recognizers.flatMap(one => one.onLong ?? [])
const worded: ReadonlyArray<readonly [number, NonNullable<Recognizer['onWord']>]> = recognizers.flatMap(one =>
  one.onWord === undefined ? [] : [[one.words ?? 0, one.onWord] as const],
)

/** Words that start a recognizer, folded into one number so that most words cost one test. */
const STARTERS = worded.reduce((all, [bits]) => all | bits, 0)
/** Words that explain a number near by. */
const SPEAKING = hint.KINDS | hint.DENY | hint.CUE | hint.VERSION
/** Words that mean something only behind a number. */
const NUMBERED = hint.SUFFIX | hint.UNIT | hint.STATE | hint.COMPASS | hint.HIGHWAY
const NUMBER_REACH = 110
const KEYED = keyed.reduce((all, one) => all | (one.keys ?? 0), 0)

const isJoint = (c: number): boolean => c === 32 || c === 45 || c === 46 || c === 47 || c === 40 || c === 41

/** Short runs with no number behind them belong to no kind that starts at digits. */
const isLone = (leaf: Leaf, start: number, end: number): boolean => {
  if (end - start > 5) return false
  if (!isJoint(at(leaf, end))) return true
  const next = at(leaf, end + 1)
  return !isDigit(next) && !(isJoint(next) && isDigit(at(leaf, end + 2)))
}

/** Digits glued to a letter before them can only be the check digits of an account number. */
const isGlued = (leaf: Leaf, start: number): boolean => {
  const c = before(leaf, start - 1)
  if (c === 95) return true
  return CLASS[c] === LETTER && (CLASS[at(leaf, start - 2)] !== LETTER || isAlnum(at(leaf, start - 3)))
}

/** Joined by a full stop or dash to what stands before: part of that, or of nothing. */
const isJoined = (leaf: Leaf, start: number): boolean => {
  const c = before(leaf, start - 1)
  return (c === 46 || c === 45) && isAlnum(before(leaf, start - 2))
}

/** Numbers of addresses are short; true when one was found here. */
const takeNumber = (leaf: Leaf, start: number): boolean => {
  const known = leaf.hits.length
  cluster.groupStart[0] = start
  for (const find of onNumber) find(leaf, cluster)
  return leaf.hits.length > known
}

const takeCluster = (leaf: Leaf, start: number, isAlone: boolean): void => {
  if (start < leaf.listEnd) return
  readCluster(leaf, cluster, start)
  if ((leaf.own & hint.KINDS) === 0 && !isNear(leaf, hint.PHONE | hint.CARD, start))
    leaf.listEnd = listEnd(cluster)
  if (isAlone && cluster.size < 6 && cluster.groups < 4) return
  const known = leaf.hits.length
  for (const find of onDigits) {
    find(leaf, cluster)
    if (leaf.hits.length > known) return
  }
}

const takeDigits = (leaf: Leaf, start: number, end: number): void => {
  leaf.digitsEnd = end
  if (isGlued(leaf, start) || isJoined(leaf, start)) return
  const isAlone = CLASS[before(leaf, start - 1)] !== LETTER
  if (isAlone && (takeNumber(leaf, start) || isLone(leaf, start, end))) return
  takeCluster(leaf, start, isAlone)
}

const takeWord = (leaf: Leaf, n: number): void => {
  const hints = tokens.hints[n] ?? 0
  const end = tokens.end[n] ?? 0
  if ((hints & SPEAKING) !== 0) noteWord(leaf, hints, end)
  if ((hints & STARTERS) === 0) return
  word.start = tokens.start[n] ?? 0
  if ((hints & STARTERS & ~NUMBERED) === 0 && word.start - leaf.digitsEnd > NUMBER_REACH) return
  word.end = end
  word.hints = hints
  for (const [bits, find] of worded) if ((bits & hints) !== 0) find(leaf, word)
}

const passMasked = (leaf: Leaf, start: number, end: number): void => {
  pass(leaf, start, end)
  if (end > leaf.done) leaf.done = end
}

const BASE64_MIN = 20
const BASE64_MAX = 1 << 18
const BASE64_COUNT = 64

/** Nothing but small letters and joints, as names of packages and branches are; of random signs hardly one in a thousand is so. */
const isWorded = (leaf: Leaf, start: number, end: number): boolean => {
  for (let i = start; i < end; i++) {
    const c = leaf.bytes[i] ?? 0
    if ((c < 97 || c > 122) && CLASS[c] !== JOIN) return false
  }
  return true
}

const takeLong = (leaf: Leaf, start: number, end: number): void => {
  if (isWorded(leaf, start, end)) return
  const known = leaf.hits.length
  for (const find of onLong) find(leaf, start, end)
  const isSized = end - start >= BASE64_MIN && end - start <= BASE64_MAX
  if (leaf.hits.length === known && isSized && leaf.base64.length < 2 * BASE64_COUNT)
    leaf.base64.push(start, end)
}

const LATE_MAX = 8

/** Notes a long token with finds in it that has room for another one outside of the last of them. */
const noteRest = (leaf: Leaf, start: number, end: number): void => {
  if (leaf.done <= start) return
  let open = end - start
  for (const hit of leaf.hits.slice(-LATE_MAX))
    open -= Math.max(0, Math.min(end, hit.end) - Math.max(start, hit.start))
  if (open >= LONG_MIN) leaf.isGlued = true
}

const takeMark = (leaf: Leaf, kind: number, n: number): void => {
  const start = tokens.start[n] ?? 0
  const end = tokens.end[n] ?? 0
  if (kind === SIGN) for (const find of onSign) find(leaf, start)
  else if (kind === COLONS) for (const find of onColon) find(leaf, start)
  else if (kind === SLASHES) leaf.urlStart = start + 3
  else if (kind === MASKED) passMasked(leaf, start, end)
  else if (kind === LONG) takeLong(leaf, start, end)
}

/** Passes the marks up to an offset as an earlier masking would be passed, each behind the finds before it; true inside one. */
const isMarked = (leaf: Leaf, i: number): boolean => {
  for (; leaf.marked < leaf.marks.length; leaf.marked++) {
    const mark = leaf.marks[leaf.marked]
    if (mark === undefined || mark.start > i) break
    passHits(leaf, mark.start)
    passMasked(leaf, mark.start, mark.end)
  }
  return i < (leaf.marks[leaf.marked - 1]?.end ?? 0)
}

/** Whether a token lies in what is found or marked already; finds before it are passed. */
const isPassed = (leaf: Leaf, kind: number, n: number): boolean => {
  const start = tokens.start[n] ?? 0
  if (leaf.marks.length > 0 && isMarked(leaf, start)) return true
  if (leaf.hits.length === 0) return false
  if (kind === LONG) noteRest(leaf, start, tokens.end[n] ?? 0)
  if (isTaken(leaf, start)) return true
  passHits(leaf, start)
  return false
}

const takeToken = (leaf: Leaf, n: number): void => {
  const kind = tokens.kind[n] ?? 0
  if (isPassed(leaf, kind, n)) return
  if (kind === DIGITS) takeDigits(leaf, tokens.start[n] ?? 0, tokens.end[n] ?? 0)
  else if (kind === WORD) takeWord(leaf, n)
  else takeMark(leaf, kind, n)
}

const takeValue = (leaf: Leaf): void => {
  if ((leaf.own & KEYED) === 0 || leaf.isPart) return
  const known = leaf.hits.length
  for (const one of keyed) {
    if (((one.keys ?? 0) & leaf.own) === 0) continue
    one.onValue?.(leaf)
    if (leaf.hits.length > known) return
  }
}

const range = { from: 0, to: 0 }

const readStretch = (leaf: Leaf): void => {
  leaf.done = leaf.start
  leaf.passed = leaf.hits.length
  leaf.passedEnd = leaf.start
  leaf.words = 0
  leaf.digitsEnd = -1000
  leaf.urlStart = -1000
  leaf.gridEnd = leaf.start
  leaf.datesEnd = leaf.start
  leaf.bareFrom = leaf.start
  leaf.bareEnd = leaf.start
  leaf.colonsEnd = leaf.start
  leaf.listEnd = leaf.start
  if (leaf.hasNoStreet) leaf.noStreet.fill(-1)
  leaf.hasNoStreet = false
  leaf.marked = 0
  const known = leaf.hits.length
  takeValue(leaf)
  if (leaf.hits.length > known && leaf.done >= leaf.end) return
  range.to = leaf.end
  for (let i = leaf.start; i < leaf.end;) {
    range.from = i
    i = readTokens(tokens, leaf.source, range)
    for (let n = 0; n < tokens.count; n++) takeToken(leaf, n)
  }
}

/** Every cell is a leaf of its own, under the hints of its column. */
const readTable = (leaf: Leaf, table: Table): void => {
  const { start, end, own } = leaf
  leaf.end = table.rows
  readStretch(leaf)
  leaf.end = end
  readCells(leaf, table, (from, to, hints) => {
    leaf.start = from
    leaf.end = to
    leaf.own = hints
    readStretch(leaf)
    leaf.start = start
    leaf.end = end
  })
  leaf.own = own
}

const TABLE_MIN = 40

/** Reads one leaf and adds what it finds. */
export const readLeaf = (leaf: Leaf, openings: Openings): void => {
  tokens.hasSigns = false
  tokens.openings = openings
  leaf.openings = openings
  if (leaf.base64.length > 0) leaf.base64 = []
  if ((leaf.own & KEYED) === 0 && isQuiet(leaf)) return
  const table = leaf.end - leaf.start < TABLE_MIN || (leaf.own & hint.KINDS) !== 0 ? undefined : tableOf(leaf)
  if (table === undefined) readStretch(leaf)
  else readTable(leaf, table)
  leaf.hasSigns = tokens.hasSigns
}

const isBetter = (a: Hit, b: Hit): boolean =>
  a.end - a.start > b.end - b.start || (a.end - a.start === b.end - b.start && a.score >= b.score)

const isSettled = (hits: readonly Hit[]): boolean => {
  let end = -1
  for (const hit of hits) {
    if (hit.start < end) return false
    end = hit.end
  }
  return true
}

/** Joins hits that overlap: the longer one gives the kind, both together the extent, so that nothing is left over. */
export const settleHits = (hits: readonly Hit[]): readonly Hit[] => {
  if (isSettled(hits)) return hits
  const sorted = hits.toSorted((a, b) => a.start - b.start || b.end - a.end)
  const settled: Hit[] = []
  for (const hit of sorted) {
    const last = settled.at(-1)
    if (last === undefined || hit.start >= last.end) {
      settled.push(hit)
      continue
    }
    const winner = isBetter(last, hit) ? last : hit
    settled[settled.length - 1] = { ...winner, start: last.start, end: Math.max(last.end, hit.end) }
  }
  return settled
}
