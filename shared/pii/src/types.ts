/** The kinds of personal data this package finds. */
export const piiTypes = [
  'EMAIL',
  'PHONE',
  'US_SSN',
  'CREDIT_CARD',
  'IP_ADDRESS',
  'STREET_ADDRESS',
  'PASSPORT',
  'IBAN',
  'NAME',
  'DATE_OF_BIRTH',
  'URL',
  'SECRET',
  'OTHER',
] as const

/** One kind of personal data; `OTHER` covers national, tax and hardware identifiers. */
export type PiiType = (typeof piiTypes)[number]

/** A place in a text that holds personal data: UTF-16 offsets, end exclusive, score between 0 and 1. */
export interface Detection {
  readonly type: PiiType
  readonly start: number
  readonly end: number
  readonly score: number
}
