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

/** Blocks of letters outside ASCII; the rest is punctuation, symbols, surrogates and private use. */
const LETTERS: ReadonlyArray<readonly [number, number]> = [
  [0xaa, 0xaa],
  [0xb5, 0xb5],
  [0xba, 0xba],
  [0xc0, 0xd6],
  [0xd8, 0xf6],
  [0xf8, 0x1fff],
  [0x2c00, 0x2dff],
  [0x3041, 0xd7ff],
  [0xf900, 0xfdff],
  [0xfe71, 0xfeff],
]

/** Blocks of nothing but capitals. */
const CAPITALS: ReadonlyArray<readonly [number, number]> = [
  [0xc0, 0xd6],
  [0xd8, 0xde],
  [0x386, 0x38f],
  [0x391, 0x3ab],
  [0x400, 0x42f],
]

/** Blocks where capitals and small letters take turns, capitals first. */
const PAIRS: ReadonlyArray<readonly [number, number]> = [
  [0x100, 0x137],
  [0x139, 0x148],
  [0x14a, 0x177],
  [0x179, 0x17e],
  [0x1e00, 0x1eff],
]

const fillLetters = (table: Uint8Array): void => {
  for (const [from, to] of LETTERS) table.fill(LOWER_WIDE, from, to + 1)
  for (const [from, to] of CAPITALS) table.fill(UPPER_WIDE, from, to + 1)
  for (const [from, to] of PAIRS) for (let c = from; c < to; c += 2) table[c] = UPPER_WIDE
}

const fillAlikes = (table: Uint8Array): void => {
  for (const zero of ZEROS) for (let d = 0; d < 10; d++) table[zero + d] = 48 + d
  for (let c = 0; c < 26; c++) {
    table[0xff21 + c] = 65 + c
    table[0xff41 + c] = 97 + c
  }
  for (const blank of BLANKS) table[blank] = 32
  table.fill(32, 0x2000, 0x200b)
  for (const [sign, alikes] of SIGNS)
    for (let i = 0; i < alikes.length; i++) table[alikes.charCodeAt(i)] = sign.charCodeAt(0)
  for (const [from, to] of UNSEEN) table.fill(INVISIBLE, from, to + 1)
}

const tableOf = (): Uint8Array => {
  const table = new Uint8Array(65_536).fill(SYMBOL_WIDE)
  for (let c = 0; c < 128; c++) table[c] = c
  fillLetters(table)
  fillAlikes(table)
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
