import { isAsciiAlnum } from './chars.ts'
import { piiTypes } from './types.ts'

const TAIL_MAX = 8
const ID_MAX = 64

const codesOf = (name: string): readonly number[] => Array.from(`[${name}`, char => char.charCodeAt(0))

/** How placeholders of these kinds begin, as codes. */
export type Openings = readonly (readonly number[])[]

/** Beginnings of the placeholders of all built-in kinds, and of those named. */
export const openingsOf = (kinds: readonly string[]): Openings => [...piiTypes, ...kinds].map(codesOf)

/** What stands in a text instead of a value: `[EMAIL]`, `[EMAIL:token]`, `[EMAIL#hash]`, `[EMAIL ***last]`; safe inside any JSON string. */
export const placeholder = (kind: string, detail = ''): string => `[${kind}${detail}]`

/** Only small letters: a number or an address cannot pass for the id of something masked. */
const isLetter = (c: number): boolean => c >= 97 && c <= 122

const endWhile = (
  bytes: Uint8Array,
  span: { from: number; to: number },
  test: (c: number) => boolean,
): number => {
  let i = span.from
  while (i < span.to && test(bytes[i] ?? 0)) i++
  return i
}

/** Behind ` ***last`, `:token` or `#hash`; where it stood when there is none. */
const detailEnd = (bytes: Uint8Array, from: number, to: number): number => {
  const sign = bytes[from] ?? 0
  if (sign === 58 || sign === 35)
    return endWhile(bytes, { from: from + 1, to: Math.min(to, from + 1 + ID_MAX) }, isLetter)
  const isTail = sign === 32 && bytes[from + 1] === 42 && bytes[from + 2] === 42 && bytes[from + 3] === 42
  return isTail
    ? endWhile(bytes, { from: from + 4, to: Math.min(to, from + 4 + TAIL_MAX) }, isAsciiAlnum)
    : from
}

/** Behind what an earlier masking left at a bracket, or -1. */
export const placeholderEnd = (
  bytes: Uint8Array,
  span: { readonly start: number; readonly to: number },
  openings: Openings,
): number => {
  const { start, to } = span
  for (const opening of openings) {
    if (bytes[start + 1] !== opening[1] || bytes[start + 2] !== opening[2]) continue
    if (!opening.every((c, i) => bytes[start + i] === c)) continue
    const end = detailEnd(bytes, start + opening.length, to)
    if (end < to && bytes[end] === 93) return end + 1
  }
  return -1
}

/** Quotes for a bare number that turns into a string, escaped once per string around it. */
export const quoteAt = (level: number): string => `${'\\'.repeat(2 ** level - 1)}"`
