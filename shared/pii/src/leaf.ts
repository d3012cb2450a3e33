import type { PiiType } from './types.ts'

/** A find inside one leaf, in the offsets of the leaf's own text. */
export interface Hit {
  readonly type: PiiType
  readonly start: number
  readonly end: number
  readonly score: number
}

/** One string, number or stretch of text, with what its surroundings say. Reused between calls: recognizers keep nothing of it. */
export interface Leaf {
  text: string
  start: number
  end: number
  /** Hints of the key, inherited where the key says nothing. */
  own: number
  /** Hints of the sibling fields and labels. */
  around: number
  isNumber: boolean
  /** Part of a broken document: no key speaks for all of it. */
  isPart: boolean
  /** Where the last word with a hint ended, by bit number. */
  readonly seen: Int32Array
  hits: Hit[]
  /** Everything before this offset is already part of a hit. */
  done: number
}

export const createLeaf = (): Leaf => ({
  text: '',
  start: 0,
  end: 0,
  own: 0,
  around: 0,
  isNumber: false,
  isPart: false,
  seen: new Int32Array(32).fill(-1000),
  hits: [],
  done: 0,
})

export const addHit = (leaf: Leaf, hit: Hit): void => {
  leaf.hits.push(hit)
  if (hit.end > leaf.done) leaf.done = hit.end
}

/** Code unit at an offset, 0 outside the leaf. */
export const at = (leaf: Leaf, i: number): number =>
  i >= leaf.start && i < leaf.end ? leaf.text.charCodeAt(i) : 0

/** How far a word reaches, in code units. */
const REACH = 40

/** How far behind a word with this hint ended. */
export const distance = (leaf: Leaf, bit: number, i: number): number =>
  i - (leaf.seen[31 - Math.clz32(bit)] ?? -1000)

/** Whether a word with this hint ended within so many code units before an offset. */
export const isNear = (leaf: Leaf, bit: number, i: number): boolean => distance(leaf, bit, i) <= REACH

/** Whether the key or a word near by names this kind. */
export const isHinted = (leaf: Leaf, bit: number, i: number): boolean =>
  (leaf.own & bit) !== 0 || isNear(leaf, bit, i)
