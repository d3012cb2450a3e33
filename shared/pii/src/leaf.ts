import { type Openings, placeholderEnd } from './placeholder.ts'
import type { Source } from './source.ts'
import type { PiiType } from './types.ts'

/** A find inside one leaf, in the offsets of the leaf's own text. */
export interface Hit {
  readonly type: PiiType
  /** Name of a custom kind, whose type is `OTHER`. */
  readonly kind?: string | undefined
  readonly start: number
  readonly end: number
  readonly score: number
}

/** One string, number or stretch of text, with what its surroundings say. Reused between calls: recognizers keep nothing of it. */
export interface Leaf {
  source: Source
  bytes: Uint8Array
  start: number
  end: number
  /** Hints of the key, inherited where the key says nothing. */
  own: number
  /** Hints of the sibling fields and labels. */
  around: number
  isNumber: boolean
  /** Part of a broken document: no key speaks for all of it. */
  isPart: boolean
  /** The last words with hints: where they end and what they say, in a ring. */
  readonly wordEnd: Int32Array
  readonly wordHints: Int32Array
  words: number
  /** Colons before this offset were read and led nowhere. */
  colonsEnd: number
  /** Numbers before this offset are parts of a list that was read. */
  listEnd: number
  /** No date lies before this offset: it was looked for from an earlier word. */
  datesEnd: number
  /** Between these offsets nothing ends a value without quotes: it was looked for from an earlier name. */
  bareFrom: number
  bareEnd: number
  /** Compass points before this offset begin no street: the numbers around them were read. */
  gridEnd: number
  /** House numbers from which no street was read, each in the slot of its last bits. */
  readonly noStreet: Int32Array
  hasNoStreet: boolean
  /** Behind the `//` of the last URL. */
  urlStart: number
  /** Where the last digits ended. */
  digitsEnd: number
  hits: Hit[]
  /** How what was masked before begins. */
  openings: Openings
  /** What custom kinds found before the leaf is read, in order: nothing in there is read again. */
  marks: Hit[]
  /** How many of them lie behind. */
  marked: number
  /** A percent sign before two hexadecimal digits, or an entity, was seen. */
  hasSigns: boolean
  /** Long tokens that may be base64: start and end in turns. */
  base64: number[]
  /** Something was passed over that may be read otherwise once the finds beside it or in it are masked. */
  isGlued: boolean
  /** Nothing from this offset on is part of a hit yet. */
  done: number
  /** How many hits have been left behind. */
  passed: number
  /** Where the last of them ended. */
  passedEnd: number
}

const RING = 16
const FAR = 1000

const EMPTY: Source = { bytes: new Uint8Array(0), size: 0, text: () => '', plain: undefined }

export const createLeaf = (): Leaf => ({
  source: EMPTY,
  bytes: EMPTY.bytes,
  start: 0,
  end: 0,
  own: 0,
  around: 0,
  isNumber: false,
  isPart: false,
  wordEnd: new Int32Array(RING),
  wordHints: new Int32Array(RING),
  words: 0,
  colonsEnd: 0,
  listEnd: 0,
  noStreet: new Int32Array(16).fill(-1),
  hasNoStreet: false,
  bareFrom: 0,
  bareEnd: 0,
  urlStart: -1000,
  gridEnd: 0,
  datesEnd: 0,
  digitsEnd: -1000,
  hits: [],
  openings: [],
  marks: [],
  marked: 0,
  hasSigns: false,
  base64: [],
  isGlued: false,
  done: 0,
  passed: 0,
  passedEnd: 0,
})

/** Adds a find in its place among those that lie ahead: a word may find what stands behind the next ones. */
export const addHit = (leaf: Leaf, hit: Hit): void => {
  const { hits } = leaf
  let n = hits.length
  for (; n > leaf.passed && (hits[n - 1]?.start ?? 0) > hit.start; n--);
  if (n === hits.length) hits.push(hit)
  else hits.splice(n, 0, hit)
  if (hit.end > leaf.done) leaf.done = hit.end
}

/** Folded code at an offset, 0 outside the leaf. */
export const at = (leaf: Leaf, i: number): number =>
  i >= leaf.start && i < leaf.end ? (leaf.bytes[i] ?? 0) : 0

const SHORT = 80

/** The text itself, for the rare places where codes do not do; short ASCII is put together from its codes. */
export const sliceOf = (leaf: Leaf, start: number, end: number): string => {
  const from = Math.max(start, leaf.start)
  const to = Math.min(end, leaf.end)
  if (to - from > SHORT) return leaf.source.text().slice(from, to)
  let text = ''
  for (let i = from; i < to; i++) {
    const c = leaf.bytes[i] ?? 0
    if (c > 127) return leaf.source.text().slice(from, to)
    text += ASCII[c] ?? ''
  }
  return text
}

const ASCII = Array.from({ length: 128 }, (_, c) => String.fromCharCode(c))

/** Whether ASCII text stands at an offset, letter for letter. */
export const startsWith = (leaf: Leaf, text: string, i: number): boolean => {
  for (let k = 0; k < text.length; k++) if (at(leaf, i + k) !== text.charCodeAt(k)) return false
  return true
}

/** Whether something masked before stands at an offset. */
export const isMaskedAt = (leaf: Leaf, i: number): boolean =>
  at(leaf, i) === 91 && placeholderEnd(leaf.bytes, { start: i, to: leaf.end }, leaf.openings) > 0

/** How far a word reaches, in code units. */
const REACH = 40

/** Notes a word; only the last sixteen are remembered, which is more than fit into the reach of any. */
export const noteWord = (leaf: Leaf, hints: number, end: number): void => {
  const slot = leaf.words++ & (RING - 1)
  leaf.wordEnd[slot] = end
  leaf.wordHints[slot] = hints
}

/** Words before what is masked stay as near as they are to its start, words in it are none: masking must not change context. */
export const pass = (leaf: Leaf, start: number, end: number): void => {
  const first = Math.max(0, leaf.words - RING)
  for (let n = leaf.words - 1; n >= first; n--) {
    const slot = n & (RING - 1)
    const wordEnd = leaf.wordEnd[slot] ?? 0
    if (wordEnd <= start) leaf.wordEnd[slot] = wordEnd + end - start
    else if (wordEnd <= end) leaf.wordHints[slot] = 0
  }
  if (leaf.digitsEnd <= start) leaf.digitsEnd += end - start
}

/** Passes the hits that begin before an offset. */
export const passHits = (leaf: Leaf, i: number): void => {
  for (; leaf.passed < leaf.hits.length; leaf.passed++) {
    const hit = leaf.hits[leaf.passed]
    if (hit === undefined || hit.start > i) return
    const start = Math.max(hit.start, leaf.passedEnd)
    if (hit.end <= start) continue
    pass(leaf, start, hit.end)
    leaf.passedEnd = hit.end
  }
}

/** Whether an offset lies inside one of the last hits. */
export const isTaken = (leaf: Leaf, i: number): boolean => {
  if (i >= leaf.done) return false
  for (let n = leaf.hits.length - 1; n >= 0 && n >= leaf.hits.length - 4; n--) {
    const hit = leaf.hits[n]
    if (hit !== undefined && i >= hit.start && i < hit.end) return true
  }
  return false
}

/** Code before a token; what is already found counts as the bracket that will stand there. */
export const before = (leaf: Leaf, i: number): number =>
  leaf.hits.length > 0 && isTaken(leaf, i) ? 93 : at(leaf, i)

/** How far behind the nearest word with this hint ended. */
export const distance = (leaf: Leaf, bit: number, i: number): number => {
  const first = Math.max(0, leaf.words - RING)
  for (let n = leaf.words - 1; n >= first; n--)
    if (((leaf.wordHints[n & (RING - 1)] ?? 0) & bit) !== 0) return i - (leaf.wordEnd[n & (RING - 1)] ?? 0)
  return FAR
}

/** Whether a word with this hint ended within so many code units before an offset. */
export const isNear = (leaf: Leaf, bit: number, i: number): boolean => distance(leaf, bit, i) <= REACH

/** Whether the key or a word near by names this kind. */
export const isHinted = (leaf: Leaf, bit: number, i: number): boolean =>
  (leaf.own & bit) !== 0 || isNear(leaf, bit, i)

/** The leaf without blanks around it. */
export const trimmed = (leaf: Leaf): { start: number; end: number } => {
  let { start, end } = leaf
  while (start < end && at(leaf, start) <= 32) start++
  while (end > start && at(leaf, end - 1) <= 32) end--
  return { start, end }
}
