/** Check-digit procedures over text of digits and capitals, each by the standard it comes from. */

const DOUBLED = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]

const digitsOf = (text: string): readonly number[] => Array.from(text, char => char.charCodeAt(0) - 48)

/** ISO/IEC 7812-1 annex B. */
const luhn = (text: string): boolean => {
  const digits = digitsOf(text)
  const sum = digits.reduce(
    (total, d, i) => total + ((digits.length - i) % 2 === 0 ? (DOUBLED[d] ?? 0) : d),
    0,
  )
  return sum % 10 === 0
}

/** Value of a digit or capital, A = 10 (ISO 7064, ISO 13616). */
const valueOf = (char: string): number => Number.parseInt(char, 36)

/** Remainder of a text of digits and capitals, each capital as two digits. */
const remainder97 = (text: string): number => {
  let rest = 0
  for (const char of text) {
    const value = valueOf(char)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest
}

/** ISO 7064 MOD 97-10, the check digits last. */
const mod97 = (text: string): boolean => remainder97(text) === 1

/** ISO 7064 MOD 11,10. */
const mod11and10 = (text: string): boolean => {
  let product = 10
  for (const d of digitsOf(text.slice(0, -1))) {
    const sum = (d + product) % 10
    product = ((sum === 0 ? 10 : sum) * 2) % 11
  }
  return (11 - product) % 10 === Number(text.at(-1))
}

/** ISO 7064 MOD 11-2, with X for ten. */
export const mod11and2 = (text: string): boolean => {
  let rest = 0
  for (const d of digitsOf(text.slice(0, -1))) rest = ((rest + d) * 2) % 11
  const check = (12 - rest) % 11
  return text.at(-1) === (check === 10 ? 'X' : String(check))
}

/** Products of the dihedral group of order ten. */
const dihedral = (a: number, b: number): number => {
  if (a < 5) return b < 5 ? (a + b) % 5 : 5 + ((a + b) % 5)
  return b < 5 ? 5 + ((a - b) % 5) : (a - b + 5) % 5
}

const FIRST = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]

/** The permutation of Verhoeff's procedure, applied so many times. */
const permuted = (d: number, times: number): number => {
  let value = d
  for (let i = 0; i < times; i++) value = FIRST[value] ?? 0
  return value
}

/** Verhoeff 1969. */
const verhoeff = (text: string): boolean =>
  digitsOf(text)
    .toReversed()
    .reduce((check, d, i) => dihedral(check, permuted(d, i % 8)), 0) === 0

/** Check procedures that a custom kind may name; each sees the letters and digits of a value, capitalised. */
export const validators = {
  luhn: text => /^\d+$/.test(text) && luhn(text),
  mod97: text => /^[\dA-Z]+$/.test(text) && mod97(text),
  mod11_2: text => /^\d+[\dX]$/.test(text) && mod11and2(text),
  mod11_10: text => /^\d+$/.test(text) && mod11and10(text),
  verhoeff: text => /^\d+$/.test(text) && verhoeff(text),
} as const satisfies Readonly<Record<string, (text: string) => boolean>>

/** The name of a check procedure. */
export type ValidatorName = keyof typeof validators
