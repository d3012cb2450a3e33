import type { Source } from './document.ts'

/** What a phrase does, of which a text that steers a model needs one strong or several weak ones. */
export type Aim =
  | 'override'
  | 'conceal'
  | 'address'
  | 'order'
  | 'persona'
  | 'unbind'
  | 'extract'
  | 'attack'
  | 'embed'
  | 'mode'
  | 'foreign'
  | 'secret'

/** A phrase: what it aims at, where it counts, and how much it tells by itself. Gaps are bounded, so matching is linear. */
export interface Phrase {
  readonly aim: Aim
  readonly pattern: RegExp
  readonly score: number
  /** Where it counts; default everywhere. */
  readonly sources?: readonly Source[]
  /** Beginnings of words of which the phrase holds at least one. */
  readonly words?: readonly string[]
  /** Beginnings of further words of which it holds at least one as well. */
  readonly also?: readonly string[]
  /** Features of which the text must show at least one. */
  readonly needs?: number
  /** The pattern is tried on the text as it is, not in lower case. */
  readonly isCased?: boolean
}
