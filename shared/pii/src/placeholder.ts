import { isAsciiAlnum } from './chars.ts'
import { type PiiType, piiTypes } from './types.ts'

const DETAIL_MAX = 80
const NAMES = piiTypes.map(type => Array.from(`[${type}`, char => char.charCodeAt(0)))

/** What stands in a text instead of a value: `[EMAIL]`, `[EMAIL:token]`, `[EMAIL#hash]`, `[EMAIL ***last]`; safe inside any JSON string. */
export const placeholder = (type: PiiType, detail = ''): string => `[${type}${detail}]`

const isDetail = (c: number): boolean =>
  isAsciiAlnum(c) || c === 95 || c === 45 || c === 58 || c === 35 || c === 32 || c === 42

const nameEnd = (bytes: Uint8Array, from: number, to: number): number => {
  for (const name of NAMES) {
    const end = from + name.length
    if (end < to && !isAsciiAlnum(bytes[end] ?? 0) && name.every((c, i) => bytes[from + i] === c)) return end
  }
  return -1
}

/** Behind what an earlier masking left at a bracket, or -1. */
export const placeholderEnd = (bytes: Uint8Array, from: number, to: number): number => {
  let i = nameEnd(bytes, from, to)
  if (i < 0) return -1
  const limit = Math.min(to, i + DETAIL_MAX)
  while (i < limit && isDetail(bytes[i] ?? 0)) i++
  return i < to && bytes[i] === 93 ? i + 1 : -1
}
