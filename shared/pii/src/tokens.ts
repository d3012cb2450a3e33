import { AT, CLASS, COLON, DIGIT, isHex, isWideLetter, JOIN, LETTER, needsFold } from './chars.ts'
import { HASH_START, hashStep, hintsOfHash } from './words.ts'

/** What a stretch of text is, as far as one pass over it can tell. */
export const DIGITS = 1
export const SIGN = 2
export const COLONS = 3
export const WORD = 4
export const LONG = 5

const CAPACITY = 2048
const LONG_MIN = 16
const WORD_MAX = 20

/** Tokens of one window of a text; reused, so nothing may be kept of it. */
export interface Tokens {
  text: string
  /** End of the text to read. */
  to: number
  count: number
  /** A code unit was seen for which the text must be folded and read again. */
  isDisguised: boolean
  readonly kind: Uint8Array
  readonly start: Int32Array
  readonly end: Int32Array
  readonly hints: Int32Array
}

export const createTokens = (): Tokens => ({
  text: '',
  to: 0,
  count: 0,
  isDisguised: false,
  kind: new Uint8Array(CAPACITY + 4),
  start: new Int32Array(CAPACITY + 4),
  end: new Int32Array(CAPACITY + 4),
  hints: new Int32Array(CAPACITY + 4),
})

const push = (tokens: Tokens, kind: number, start: number): void => {
  const n = tokens.count++
  tokens.kind[n] = kind
  tokens.start[n] = start
}

/** Class of a code unit outside ASCII; notes the ones that call for folding. */
const wideClass = (tokens: Tokens, c: number): number => {
  if (needsFold(c)) tokens.isDisguised = true
  return isWideLetter(c) ? LETTER : 0
}

const readLetters = (tokens: Tokens, from: number): number => {
  const { text, to } = tokens
  let i = from
  let hash = HASH_START
  for (; i < to; i++) {
    const c = text.charCodeAt(i)
    if ((c < 128 ? CLASS[c] : wideClass(tokens, c)) !== LETTER) break
    hash = hashStep(hash, c)
  }
  if (i - from > WORD_MAX) return i
  const hints = hintsOfHash(hash)
  if (hints === 0) return i
  tokens.end[tokens.count] = i
  tokens.hints[tokens.count] = hints
  push(tokens, WORD, from)
  return i
}

const readDigits = (tokens: Tokens, from: number): number => {
  const { text, to } = tokens
  let i = from + 1
  for (; i < to; i++) {
    const c = text.charCodeAt(i)
    if (c < 48 || c > 57) break
  }
  tokens.end[tokens.count] = i
  push(tokens, DIGITS, from)
  return i
}

/** A colon begins an IPv6 address only between hexadecimal digits or beside another colon. */
const readColon = (tokens: Tokens, i: number): void => {
  const next = tokens.text.charCodeAt(i + 1)
  if (next === 58 || isHex(next)) push(tokens, COLONS, i)
}

const endRun = (tokens: Tokens, from: number, to: number): void => {
  if (to - from < LONG_MIN) return
  tokens.end[tokens.count] = to
  push(tokens, LONG, from)
}

/** Reads one window of tokens and returns where the next one begins, at `to` when all is read. */
export const readTokens = (tokens: Tokens, from: number): number => {
  const { text, to } = tokens
  tokens.count = 0
  let i = from
  let run = from
  while (i < to && tokens.count < CAPACITY) {
    const c = text.charCodeAt(i)
    const kind = c < 128 ? (CLASS[c] ?? 0) : wideClass(tokens, c)
    if (kind === LETTER) i = readLetters(tokens, i)
    else if (kind === DIGIT) i = readDigits(tokens, i)
    else if (kind === JOIN) i++
    else {
      endRun(tokens, run, i)
      if (kind === AT) push(tokens, SIGN, i)
      else if (kind === COLON) readColon(tokens, i)
      run = ++i
    }
  }
  endRun(tokens, run, i)
  return i
}
