/** Codes of a folded text: ASCII as it is, everything else as one of these. */
export const LOWER_WIDE = 128
export const UPPER_WIDE = 129
export const SYMBOL_WIDE = 130
export const INVISIBLE = 131

/** Classes of codes; 0 is anything else. */
export const DIGIT = 1
export const LETTER = 2
const AT = 3
const COLON = 4
/** `-_+/=.~%`: may stand inside a secret. */
export const JOIN = 5

const tableOf = (): Uint8Array => {
  const table = new Uint8Array(256)
  for (let c = 48; c < 58; c++) table[c] = DIGIT
  for (let c = 65; c < 91; c++) table[c] = table[c + 32] = LETTER
  table[LOWER_WIDE] = table[UPPER_WIDE] = LETTER
  table[64] = AT
  table[58] = COLON
  for (const char of '-_+/=.~%') table[char.charCodeAt(0)] = JOIN
  return table
}

/** Class of each code. */
export const CLASS: Uint8Array = tableOf()

export const isDigit = (c: number): boolean => c >= 48 && c <= 57
export const isUpper = (c: number): boolean => (c >= 65 && c <= 90) || c === UPPER_WIDE
export const isAlpha = (c: number): boolean => CLASS[c] === LETTER
export const isAsciiAlnum = (c: number): boolean => isDigit(c) || ((c | 32) >= 97 && (c | 32) <= 122)
export const isAlnum = (c: number): boolean => CLASS[c] === LETTER || CLASS[c] === DIGIT
export const isHex = (c: number): boolean => isDigit(c) || ((c | 32) >= 97 && (c | 32) <= 102)
