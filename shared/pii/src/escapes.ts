import { INVISIBLE } from './chars.ts'
import { FOLD } from './fold.ts'
import type { Source } from './source.ts'

const hexValue = (c: number): number => (c <= 57 ? c - 48 : (c | 32) - 87)

const PLAIN = new Uint8Array(128)
for (const [sign, code] of [
  [98, 8],
  [102, 12],
  [110, 10],
  [114, 13],
  [116, 9],
] as const)
  PLAIN[sign] = code

/** Folded code of `\uXXXX` at a backslash. */
export const unicodeAt = (bytes: Uint8Array, i: number): number => {
  let code = 0
  for (let k = 2; k < 6; k++) code = (code << 4) | (hexValue(bytes[i + k] ?? 48) & 15)
  return FOLD[code] ?? 0
}

/** Codes of a JSON string between its quotes, with the escapes undone; broken escapes give their own letter. */
export const unescape = (source: Source, range: { start: number; end: number }, into: Uint8Array): number => {
  const { bytes } = source
  let size = 0
  for (let i = range.start; i < range.end; i++) {
    const c = bytes[i] ?? 0
    if (c !== 92) {
      into[size++] = c
      continue
    }
    const sign = bytes[i + 1] ?? 0
    if (sign === 117 && i + 5 < range.end) {
      const code = unicodeAt(bytes, i)
      if (code !== INVISIBLE) into[size++] = code
      i += 5
    } else {
      into[size++] = PLAIN[sign & 127] || sign
      i++
    }
  }
  return size
}
