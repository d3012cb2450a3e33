import type { Cluster } from './digits.ts'
import type { Leaf } from './leaf.ts'
import type { PiiType } from './types.ts'

/** One kind's way of reading; each hook is called where its token lies and adds hits to the leaf. */
export interface Recognizer {
  readonly type: PiiType
  /** At a run of digits, with what is joined to it. */
  readonly onDigits?: (leaf: Leaf, cluster: Cluster) => void
  /** At every run of digits that begins no longer token, before `onDigits`; the cluster holds only its start. */
  readonly onNumber?: (leaf: Leaf, cluster: Cluster) => void
  /** At an `@`. */
  readonly onSign?: (leaf: Leaf, index: number) => void
  /** At a colon between hexadecimal digits or beside another colon. */
  readonly onColon?: (leaf: Leaf, index: number) => void
  /** At a word with one of the hints in `words`. */
  readonly words?: number
  readonly onWord?: (leaf: Leaf, word: Word) => void
  /** At 16 or more letters, digits and joining signs without a break. */
  readonly onLong?: (leaf: Leaf, start: number, end: number) => void
  /** Once for a value whose key gives one of these hints. */
  readonly keys?: number
  readonly onValue?: (leaf: Leaf) => void
}

/** A word known to the dictionary. */
export interface Word {
  start: number
  end: number
  hints: number
}
