export const OTHER = 0
export const DIGIT = 1
export const LETTER = 2
export const AT = 3
export const COLON = 4
/** `-_+/=.~%`: may stand inside a secret. */
export const JOIN = 5

const tableOf = (): Uint8Array => {
  const table = new Uint8Array(128)
  for (let c = 0; c < 128; c++) {
    if (c >= 48 && c <= 57) table[c] = DIGIT
    else if ((c >= 65 && c <= 90) || (c >= 97 && c <= 122)) table[c] = LETTER
  }
  table[64] = AT
  table[58] = COLON
  for (const char of '-_+/=.~%') table[char.charCodeAt(0)] = JOIN
  return table
}

/** Class of each ASCII code. */
export const CLASS = tableOf()

export const isDigit = (c: number): boolean => c >= 48 && c <= 57
export const isUpper = (c: number): boolean =>
  (c >= 65 && c <= 90) || (c >= 0xc0 && c <= 0xde && c !== 0xd7) || isWideUpper(c)
export const isAlpha = (c: number): boolean => ((c | 32) >= 97 && (c | 32) <= 122) || isWideLetter(c)
export const isAsciiAlnum = (c: number): boolean => isDigit(c) || ((c | 32) >= 97 && (c | 32) <= 122)
export const isAlnum = (c: number): boolean => isDigit(c) || isAlpha(c)
export const isHex = (c: number): boolean => isDigit(c) || ((c | 32) >= 97 && (c | 32) <= 102)
export const isBlank = (c: number): boolean => c === 32 || c === 9 || c === 0xa0

/** Latin Extended, Greek and Cyrillic capitals as far as cheap arithmetic knows them. */
const isWideUpper = (c: number): boolean => {
  if (c < 0x100) return false
  if (c < 0x180) return isExtendedUpper(c)
  return (c >= 0x386 && c <= 0x3ab && c !== 0x390) || (c >= 0x400 && c <= 0x42f)
}

/** Latin Extended-A alternates capital and small; the parity turns over at U+0139 and U+0179. */
const isExtendedUpper = (c: number): boolean => {
  const odd = (c & 1) === 1
  if ((c >= 0x139 && c <= 0x148) || c >= 0x179) return odd
  return !odd
}

/** A letter outside ASCII: everything above U+00C0 that is no punctuation, space or symbol block. */
export const isWideLetter = (c: number): boolean => {
  if (c < 0xc0) return c === 0xaa || c === 0xb5 || c === 0xba
  return c < 0x2000 ? c !== 0xd7 && c !== 0xf7 : isFarLetter(c)
}

const isFarLetter = (c: number): boolean =>
  (c > 0x2bff && c < 0x3000) || (c > 0x303f && c < 0xfe00) || (c > 0xff20 && c < 0xff5b)

/** Code units for which a folded copy of the text is made: look-alikes, invisible, odd dashes, spaces and digits. */
export const needsFold = (c: number): boolean => {
  if (c < 0x300) return c === 0xa0 || c === 0xad
  if (c < 0x2000) return isForeignDigit(c) || c === 0x34f || c === 0x61c || c === 0x1680 || c === 0x180e
  if (c < 0x2070) return c !== 0x2022 && c !== 0x2026
  return isWideForm(c)
}

const isWideForm = (c: number): boolean =>
  c === 0x2212 || c === 0x3000 || c === 0xd835 || c === 0xfeff || (c >= 0xfe00 && c <= 0xfe0f) || c >= 0xff01

/** Decimal digits of the scripts in common use: ten in a row from each of these. */
const ZEROS = [
  0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0,
]

export const isForeignDigit = (c: number): boolean => foreignDigit(c) >= 0

export const foreignDigit = (c: number): number => {
  if (c < 0x660 || c > 0xed9) return -1
  for (const zero of ZEROS) if (c >= zero && c <= zero + 9) return c - zero
  return -1
}
