import { INVISIBLE, isHex } from './chars.ts'
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
const unicodeAt = (bytes: Uint8Array, i: number): number => {
  let code = 0
  for (let k = 2; k < 6; k++) code = (code << 4) | (hexValue(bytes[i + k] ?? 48) & 15)
  return FOLD[code] ?? 0
}

/** The escapes of a JSON string in their order: where each stands in the decoded text, and how much further what follows it lies in the other. */
export interface Escapes {
  count: number
  at: Int32Array
  shift: Int32Array
}

export const createEscapes = (): Escapes => ({
  count: 0,
  at: new Int32Array(256),
  shift: new Int32Array(256),
})

const twice = (table: Int32Array): Int32Array => {
  const bigger = new Int32Array(table.length * 2)
  bigger.set(table)
  return bigger
}

const noteEscape = (escapes: Escapes, at: number, shift: number): void => {
  const n = escapes.count++
  if (n === escapes.at.length) {
    escapes.at = twice(escapes.at)
    escapes.shift = twice(escapes.shift)
  }
  escapes.at[n] = at
  escapes.shift[n] = shift
}

/** Codes of a JSON string between its quotes, with the escapes undone and noted; broken escapes give their own letter. */
export const unescape = (
  source: Source,
  range: { start: number; end: number },
  out: { readonly bytes: Uint8Array; readonly escapes: Escapes },
): number => {
  const { bytes } = source
  const into = out.bytes
  let size = 0
  out.escapes.count = 0
  for (let i = range.start; i < range.end; i++) {
    const c = bytes[i] ?? 0
    if (c !== 92) {
      into[size++] = c
      continue
    }
    const at = size
    const sign = bytes[i + 1] ?? 0
    if (sign === 117 && i + 5 < range.end) {
      const code = unicodeAt(bytes, i)
      if (code !== INVISIBLE) into[size++] = code
      i += 5
    } else {
      into[size++] = PLAIN[sign & 127] || sign
      i++
    }
    noteEscape(out.escapes, at, i + 1 - size)
  }
  return size
}

const LETTERS = new Set(Array.from('"\\/bfnrt', char => char.charCodeAt(0)))

/** Size of the escape at a backslash, 0 for one that RFC 8259 does not know. */
const escapeSize = (bytes: Uint8Array, i: number): number => {
  const sign = bytes[i + 1] ?? 0
  if (LETTERS.has(sign)) return 2
  if (sign !== 117) return 0
  for (let k = i + 2; k < i + 6; k++) if (!isHex(bytes[k] ?? 0)) return 0
  return 6
}

/** Behind the closing quote of the JSON string that opens at `from`, -1 where it is none; asked instead of the parser, which takes long to refuse. */
export const stringEndAt = (bytes: Uint8Array, from: number, size: number): number => {
  for (let i = from + 1; i < size;) {
    const c = bytes[i] ?? 0
    if (c === 34) return i + 1
    if (c < 32) return -1
    const step = c === 92 ? escapeSize(bytes, i) : 1
    if (step === 0) return -1
    i += step
  }
  return -1
}
