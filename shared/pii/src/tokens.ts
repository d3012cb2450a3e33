import { CLASS, DIGIT, isHex, JOIN, LETTER } from './chars.ts'
import { KINDS, STOP } from './hints.ts'
import { type Openings, openingsOf, placeholderEnd } from './placeholder.ts'
import type { Source } from './source.ts'
import { hintsOfWord, mayTell } from './words.ts'

/** What a stretch of text is, as far as one pass over it can tell. */
export const DIGITS = 1
export const SIGN = 2
export const COLONS = 3
export const WORD = 4
export const LONG = 5
/** What an earlier masking left. */
export const MASKED = 6
/** The `//` of a URL. */
export const SLASHES = 7

const CAPACITY = 2048
export const LONG_MIN = 16
const WORD_MAX = 20

/** Tokens of one window of a text; reused, so nothing may be kept of it. */
export interface Tokens {
  count: number
  /** An entity, or a percent sign before a hexadecimal digit, was seen. */
  hasSigns: boolean
  /** Where the token that is being taken ends. */
  stop: number
  /** How what was masked before begins. */
  openings: Openings
  readonly kind: Uint8Array
  readonly start: Int32Array
  readonly end: Int32Array
  readonly hints: Int32Array
}

export const createTokens = (): Tokens => ({
  count: 0,
  hasSigns: false,
  stop: 0,
  openings: openingsOf([]),
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

const lettersEnd = (bytes: Uint8Array, from: number, to: number): number => {
  let i = from
  while (i < to && CLASS[bytes[i] ?? 0] === LETTER) i++
  return i
}

/** Hints of a word that may begin or explain something; the little words of a language do neither. */
const lookUp = (source: Source, start: number, end: number): number => {
  if (end - start > WORD_MAX || !mayTell(source.bytes, start, end)) return 0
  const hints = hintsOfWord(source, start, end)
  return hints === STOP ? 0 : hints
}

const noteWord = (tokens: Tokens, hints: number, start: number): void => {
  tokens.hints[tokens.count] = hints
  push(tokens, WORD, start)
}

const takeWord = (tokens: Tokens, source: Source, start: number): void => {
  const hints = lookUp(source, start, tokens.stop)
  if (hints === 0) return
  tokens.end[tokens.count] = tokens.stop
  noteWord(tokens, hints, start)
}

const alnumEnd = (bytes: Uint8Array, from: number, to: number): number => {
  let i = from
  for (; i < to; i++) {
    const kind = CLASS[bytes[i] ?? 0]
    if (kind !== LETTER && kind !== DIGIT) break
  }
  return i
}

/** Letters that run into digits: an account number's country, a known word glued to a number, or an id of no interest. */
const takeMixed = (
  tokens: Tokens,
  source: Source,
  span: { start: number; end: number; to: number },
): number => {
  const { start, end, to } = span
  const hints = lookUp(source, start, end) & KINDS
  if (hints !== 0) {
    tokens.end[tokens.count] = end
    noteWord(tokens, hints, start)
  }
  if (hints !== 0 || end - start === 2) {
    tokens.stop = digitsEnd(source.bytes, end, to)
    takeSpan(tokens, DIGITS, end)
  }
  return alnumEnd(source.bytes, end, to)
}

const digitsEnd = (bytes: Uint8Array, from: number, to: number): number => {
  let i = from
  while (i < to && CLASS[bytes[i] ?? 0] === DIGIT) i++
  return i
}

const takeSpan = (tokens: Tokens, kind: number, start: number): void => {
  tokens.end[tokens.count] = tokens.stop
  push(tokens, kind, start)
}

const endRun = (tokens: Tokens, from: number, to: number): void => {
  if (to - from < LONG_MIN) return
  tokens.stop = to
  takeSpan(tokens, LONG, from)
}

/** Over a bracket, or over the whole of what an earlier masking left. */
const takeBracket = (tokens: Tokens, bytes: Uint8Array, span: { start: number; to: number }): number => {
  const next = bytes[span.start + 1] ?? 0
  const end = next >= 65 && next <= 90 ? placeholderEnd(bytes, span, tokens.openings) : -1
  if (end < 0) return span.start + 1
  tokens.stop = end
  takeSpan(tokens, MASKED, span.start)
  return end
}

/** A colon counts only before a hexadecimal digit, another colon, or the slashes of a URL. */
const takeColon = (tokens: Tokens, bytes: Uint8Array, i: number): void => {
  const next = bytes[i + 1] ?? 0
  if (next === 58 || isHex(next)) push(tokens, COLONS, i)
  else if (next === 47 && bytes[i + 2] === 47) push(tokens, SLASHES, i)
}

const ENTITY_MAX = 10

/** `&…;` with nothing but letters, digits and `#` between. */
const isEntity = (bytes: Uint8Array, start: number): boolean => {
  for (let i = start + 1; i < start + ENTITY_MAX; i++) {
    const c = bytes[i] ?? 0
    if (c === 59) return i > start + 2
    if (c !== 35 && CLASS[c] !== LETTER && CLASS[c] !== DIGIT) return false
  }
  return false
}

/** A sign that is no letter, digit or joint. */
const takeSign = (tokens: Tokens, bytes: Uint8Array, span: { start: number; to: number }): number => {
  const i = span.start
  const c = bytes[i] ?? 0
  if (c === 64) push(tokens, SIGN, i)
  else if (c === 58) takeColon(tokens, bytes, i)
  else if (c === 38) tokens.hasSigns = tokens.hasSigns || isEntity(bytes, i)
  else if (c === 91) return takeBracket(tokens, bytes, span)
  return i + 1
}

/** Letters, and what of digits is glued to them. */
const readWord = (tokens: Tokens, source: Source, span: { start: number; to: number }): number => {
  const { start, to } = span
  const end = lettersEnd(source.bytes, start + 1, to)
  if (end < to && CLASS[source.bytes[end] ?? 0] === DIGIT)
    return takeMixed(tokens, source, { start, end, to })
  tokens.stop = end
  takeWord(tokens, source, start)
  return end
}

/** Digits, and past what of letters is glued to them. */
const readNumber = (tokens: Tokens, source: Source, span: { start: number; to: number }): number => {
  const { start, to } = span
  const end = digitsEnd(source.bytes, start + 1, to)
  tokens.stop = end
  takeSpan(tokens, DIGITS, start)
  return end < to && CLASS[source.bytes[end] ?? 0] === LETTER ? alnumEnd(source.bytes, end, to) : end
}

/** Reads one window of tokens and returns where the next one begins, at `to` when all is read. */
export const readTokens = (tokens: Tokens, source: Source, range: { from: number; to: number }): number => {
  const { from, to } = range
  const { bytes } = source
  const span = { start: from, to }
  tokens.count = 0
  let i = from
  let run = from
  while (i < to && tokens.count < CAPACITY) {
    const kind = CLASS[bytes[i] ?? 0]
    span.start = i
    if (kind === LETTER) i = readWord(tokens, source, span)
    else if (kind === DIGIT) i = readNumber(tokens, source, span)
    else if (kind === JOIN) {
      if (bytes[i] === 37 && isHex(bytes[i + 1] ?? 0)) tokens.hasSigns = true
      i++
    } else {
      endRun(tokens, run, i)
      run = i = takeSign(tokens, bytes, span)
    }
  }
  endRun(tokens, run, i)
  return i
}
