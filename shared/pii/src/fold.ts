import { INVISIBLE, LOWER_WIDE, SYMBOL_WIDE, UPPER_WIDE } from './chars.ts'

/** Zeros of the decimal digits of the scripts in common use. */
const ZEROS = [
  0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0, 0xff10,
]

/** Code points that show as nothing: soft hyphen, joiners, marks of direction, variation selectors, byte order mark. */
const UNSEEN: ReadonlyArray<readonly [number, number]> = [
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x202a, 0x202e],
  [0x2060, 0x206f],
  [0x3164, 0x3164],
  [0xd835, 0xd835],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
]

const BLANKS = [0xa0, 0x1680, 0x202f, 0x205f, 0x3000]

/** Single look-alikes of the signs that hold numbers and addresses together. */
const SIGNS: ReadonlyArray<readonly [string, string]> = [
  ['-', '\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe58\ufe63\uff0d'],
  ['.', '\u2024\u3002\ufe52\uff0e\uff61'],
  ['@', '\ufe6b\uff20'],
  ['+', '\ufe62\uff0b'],
  [':', '\ufe55\uff1a\u2236'],
  ['/', '\u2044\u2215\uff0f'],
  ['_', '\uff3f'],
  ['(', '\uff08'],
  [')', '\uff09'],
  ['#', '\ufe5f\uff03'],
  ["'", '\u2018\u2019\u02bc\uff07'],
]

/** Where Latin Extended-A begins with small letters on even numbers. */
const isOddUpper = (c: number): boolean => (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)

const isExtendedUpper = (c: number): boolean => {
  if (c < 0x180) return isOddUpper(c) ? (c & 1) === 1 : (c & 1) === 0
  if (c >= 0x1e00 && c < 0x1f00) return (c & 1) === 0
  return (c >= 0x386 && c <= 0x3ab && c !== 0x390) || (c >= 0x400 && c <= 0x42f)
}

const isUpper = (c: number): boolean =>
  c < 0x100 ? c >= 0xc0 && c <= 0xde && c !== 0xd7 : isExtendedUpper(c)

const isLatin1Letter = (c: number): boolean =>
  c === 0xaa || c === 0xb5 || c === 0xba || (c >= 0xc0 && c !== 0xd7 && c !== 0xf7)

/** Letters outside ASCII, roughly: no block of punctuation, symbols, surrogates or private use. */
const isLetter = (c: number): boolean => {
  if (c < 0x100) return isLatin1Letter(c)
  if (c < 0x2c00) return c < 0x2000
  return (c > 0x3040 && c < 0xd800) || (c >= 0xf900 && c < 0xfe00) || (c > 0xfe70 && c < 0xff00)
}

const codeOf = (c: number): number => {
  if (c < 128) return c
  if (!isLetter(c)) return SYMBOL_WIDE
  return isUpper(c) ? UPPER_WIDE : LOWER_WIDE
}

const tableOf = (): Uint8Array => {
  const table = new Uint8Array(65_536)
  for (let c = 0; c < 65_536; c++) table[c] = codeOf(c)
  for (const zero of ZEROS) for (let d = 0; d < 10; d++) table[zero + d] = 48 + d
  for (let c = 0; c < 26; c++) {
    table[0xff21 + c] = 65 + c
    table[0xff41 + c] = 97 + c
  }
  for (const blank of BLANKS) table[blank] = 32
  table.fill(32, 0x2000, 0x200b)
  for (const [sign, alikes] of SIGNS)
    for (const alike of alikes) table[alike.charCodeAt(0)] = sign.charCodeAt(0)
  for (const [from, to] of UNSEEN) table.fill(INVISIBLE, from, to + 1)
  return table
}

/** From a UTF-16 code unit to its folded code. */
export const FOLD: Uint8Array = tableOf()

/** Mathematical letters and digits (U+1D400–1D7FF) lose their style; the high half is dropped by `FOLD`. */
const plainMath = (low: number): number => {
  if (low >= 0xdfce) return 48 + ((low - 0xdfce) % 10)
  const letter = (low - 0xdc00) % 52
  return letter < 26 ? 65 + letter : 71 + letter
}

/** A text without its invisible parts, and where each of its units came from. */
export interface Visible {
  readonly text: string
  readonly from: Int32Array
}

/** Drops what cannot be seen; the last entry of the map is the end of the given text. */
export const dropInvisible = (text: string): Visible => {
  const from = new Int32Array(text.length + 1)
  const units = new Uint16Array(text.length)
  let size = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (FOLD[c] === INVISIBLE) continue
    const isMath = i > 0 && text.charCodeAt(i - 1) === 0xd835 && c >= 0xdc00 && c <= 0xdfff
    from[size] = isMath ? i - 1 : i
    units[size++] = isMath ? plainMath(c) : c
  }
  from[size] = text.length
  return { text: textOf(units.subarray(0, size)), from }
}

const CHUNK = 8192

const textOf = (units: Uint16Array): string => {
  let text = ''
  for (let i = 0; i < units.length; i += CHUNK) text += String.fromCharCode(...units.subarray(i, i + CHUNK))
  return text
}
