/** What a key, a sibling label or a word near by says about a value: bits, so that a path folds into one number. */
export const EMAIL = 1
export const PHONE = 1 << 1
export const SSN = 1 << 2
export const CARD = 1 << 3
export const IP = 1 << 4
export const ADDRESS = 1 << 5
export const PASSPORT = 1 << 6
export const IBAN = 1 << 7
export const NAME = 1 << 8
export const BIRTH = 1 << 9
export const SECRET = 1 << 10
export const NATIONAL = 1 << 11
export const HARDWARE = 1 << 12
/** Ids, hashes, versions, times, amounts: a number here is not personal. */
export const DENY = 1 << 13
/** `value`, `number`, `text`: says nothing, so the parent and the sibling label decide. */
export const GENERIC = 1 << 14
/** `type`, `name`, `label`: its value names what the siblings are. */
export const LABEL = 1 << 15
/** `user`, `customer`, `author`: the object describes somebody. */
export const PERSON = 1 << 16
/** A bare `name`: a person's only beside other personal fields. */
export const PLAIN_NAME = 1 << 17
/** City, postal code: personal as part of an address. */
export const PLACE = 1 << 18
/** `token`, `key`: a secret only when the value looks like one. */
export const WEAK_SECRET = 1 << 19
/** The key itself may hold personal data and is scanned as text. */
export const SUSPECT = 1 << 20

/** Words of text that open or close something rather than name a kind. */
export const SUFFIX = 1 << 14
export const STREET = 1 << 15
export const UNIT = 1 << 16
export const TITLE = 1 << 17
export const COMPASS = 1 << 18
export const STATE = 1 << 19
export const GREETING = 1 << 20
export const POST = 1 << 21
export const COUNTRY = 1 << 22
export const STOP = 1 << 23
export const HIGHWAY = 1 << 24
export const MONTH = 1 << 25
export const CUE = 1 << 26
export const NAME_CUE = 1 << 27
export const ASSIGN = 1 << 28
export const VERSION = 1 << 29
/** `PRIVATE` of a key file. */
export const KEY_WORD = 1 << 30

/** Hints that name a kind of personal data. */
export const KINDS =
  EMAIL | PHONE | SSN | CARD | IP | ADDRESS | PASSPORT | IBAN | NAME | BIRTH | SECRET | NATIONAL | HARDWARE
