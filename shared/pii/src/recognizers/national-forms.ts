import { mod11and2 } from '../checks.ts'

/** Brazil's two check digits, each from the digits before it (Receita Federal). */
const passesBrazil = (digits: string, weights: readonly number[]): boolean => {
  const size = digits.length
  return [size - 2, size - 1].every(at => {
    const used = weights.slice(-at)
    const sum = used.reduce((all, weight, i) => all + weight * Number(digits[i]), 0)
    const rest = sum % 11
    return Number(digits[at]) === (rest < 2 ? 0 : 11 - rest)
  })
}

const CPF = [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]
const CNPJ = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]

const isVaried = (digits: string): boolean => new Set(digits).size > 1

/** EAN-13 (GS1), which Switzerland uses for its insured. */
const passesEan = (digits: string): boolean =>
  Array.from(digits).reduce((sum, digit, i) => sum + Number(digit) * (i % 2 === 0 ? 1 : 3), 0) % 10 === 0

/** A date that is in the calendar, near enough. */
const isDate = (year: number, month: number, day: number): boolean =>
  year >= 1900 && year < 2100 && month >= 1 && month <= 12 && day >= 1 && day <= 31

/** Citizens of China: region, birth date, sequence, ISO 7064 MOD 11-2 (GB 11643). */
const isChinese = (text: string): boolean =>
  isDate(Number(text.slice(6, 10)), Number(text.slice(10, 12)), Number(text.slice(12, 14))) && mod11and2(text)

const ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]

/** Place of a digit or letter in its alphabet. */
const placeOf = (char: string): number => (char >= 'A' ? char.charCodeAt(0) - 65 : Number(char))

/** Codice fiscale: the last letter checks the fifteen before (D.M. 23/12/1976). */
const isItalian = (text: string): boolean => {
  const sum = Array.from(text.slice(0, 15)).reduce(
    (all, char, i) => all + (i % 2 === 0 ? (ODD[placeOf(char)] ?? 0) : placeOf(char)),
    0,
  )
  return sum % 26 === placeOf(text.slice(15))
}

const CURP_LETTERS = '0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ'

/** CURP: the last digit checks the seventeen before (RENAPO). */
const isMexican = (text: string): boolean => {
  const sum = Array.from(text.slice(0, 17)).reduce(
    (all, char, i) => all + CURP_LETTERS.indexOf(char) * (18 - i),
    0,
  )
  return (10 - (sum % 10)) % 10 === Number(text.slice(17))
}

const solid = (text: string): string => text.replace(/\D/g, '')

/** Printed forms that are telling by themselves, each with its check. */
const FORMS: readonly (readonly [RegExp, (text: string) => boolean])[] = [
  [/^\d{3}\.\d{3}\.\d{3}-\d\d$/, text => isVaried(solid(text)) && passesBrazil(solid(text), CPF)],
  [/^\d\d\.\d{3}\.\d{3}\/\d{4}-\d\d$/, text => passesBrazil(solid(text), CNPJ)],
  [/^756\.\d{4}\.\d{4}\.\d\d$/, text => passesEan(solid(text))],
  [/^[1-8]\d{16}[\dX]$/, isChinese],
  [/^[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]$/, isItalian],
  [/^[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z\d]\d$/, isMexican],
]

/** Whether a text is a national number by its printed form and its check digits alone. */
export const isNationalForm = (text: string): boolean =>
  FORMS.some(([form, check]) => form.test(text) && check(text))
