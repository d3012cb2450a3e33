import type { Leaf } from './leaf.ts'
import type { Source } from './source.ts'

/**
 * Signs of which everything that is found without a telling key has at least one: a digit, an at sign or a capital, else a sign that
 * makes a password odd or encodes another. Several classes, since the engine reads sixteen codes at a time only for up to sixteen signs.
 */
const TELLING = [/[0-9@!#$%&]/g, /[*+=^A-L]/g, /[M-Z]/g]

/** Where each class is met next in the text that was asked about last; leaves are asked about in their order. */
const next = new Int32Array(TELLING.length)
/** Behind every text. */
const NOWHERE = 0x7f_ff_ff_ff
let asked: Source | undefined

const nextAt = (text: string, n: number, from: number): number => {
  const known = next[n] ?? -1
  if (known >= from) return known
  const signs = TELLING[n]
  if (signs === undefined) return NOWHERE
  signs.lastIndex = from
  const place = signs.test(text) ? signs.lastIndex - 1 : NOWHERE
  next[n] = place
  return place
}

const isPlainQuiet = (source: Source, plain: string, { start, end }: Leaf): boolean => {
  if (asked !== source) for (let n = 0; n < TELLING.length; n++) next[n] = -1
  asked = source
  for (let n = 0; n < TELLING.length; n++) if (nextAt(plain, n, start) < end) return false
  return true
}

/** What the codes of a leaf are, as bits. */
const SMALL = 1
const CAPITAL = 2
const DIGIT = 4
const JOINT = 8
const DOT = 16
const OTHER = 32

const sortsOf = (): Uint8Array => {
  const sorts = new Uint8Array(256).fill(OTHER)
  sorts.fill(JOINT, 32, 127)
  sorts.fill(DIGIT, 48, 58)
  sorts.fill(CAPITAL, 65, 91)
  sorts.fill(SMALL, 97, 123)
  for (const sign of '-_/') sorts[sign.charCodeAt(0)] = SMALL
  for (const sign of '!#$%&*+=@^') sorts[sign.charCodeAt(0)] = OTHER
  sorts[46] = DOT
  return sorts
}

const SORTS = sortsOf()

/** Less than a token that is looked at for what it may encode. */
const WORD_MAX = 15
/** Fewer digits than any number has that a word before it explains. */
const DIGITS_MAX = 2
const DECIMAL_MAX = 5

/** Prose in small letters, one word, or a short decimal number: no kind reads such without a key. */
const isHarmless = (seen: number, size: number, digits: number): boolean => {
  if ((seen & (CAPITAL | DIGIT)) === 0) return true
  if (seen === (DIGIT | DOT)) return size <= DECIMAL_MAX
  return (seen & (JOINT | DOT)) === 0 && size <= WORD_MAX && digits <= DIGITS_MAX
}

const isShortQuiet = ({ bytes, start, end }: Leaf): boolean => {
  let seen = 0
  let digits = 0
  for (let i = start; i < end; i++) {
    const sort = SORTS[bytes[i] ?? 0] ?? OTHER
    seen |= sort
    if (sort < DIGIT) continue
    if (sort === OTHER) return false
    if (sort === DIGIT) digits++
  }
  return isHarmless(seen, end - start, digits)
}

/** Above this a text is searched by the engine; below, to ask it takes longer than to look. */
const SHORT_MAX = 63

/** Whether a leaf without a telling key can hold nothing personal, known without reading a word of it. */
export const isQuiet = (leaf: Leaf): boolean => {
  if (leaf.end - leaf.start <= SHORT_MAX) return isShortQuiet(leaf)
  const { plain } = leaf.source
  return plain !== undefined && isPlainQuiet(leaf.source, plain, leaf)
}

/** Forgets the text that was asked about. */
export const releaseQuiet = (): void => {
  asked = undefined
}
