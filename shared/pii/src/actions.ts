import { placeholder } from './placeholder.ts'
import type { PiiType } from './types.ts'

/** A keyed one-way function over the normalised value of one kind; must be synchronous and give letters, digits, `_` and `-`. */
export type Keyed = (type: PiiType, value: string) => string

/**
 * What happens to a value. `remove` leaves `[EMAIL]`; `mask` leaves `[EMAIL ***` and the last `keepLast` letters and digits (4 unless told, at
 * most 8, never more than half of them); `token` and `hash` leave what the keyed function of the policy gives, so that equal values stay equal;
 * `keep` changes nothing and is still counted.
 */
export type Action =
  | { readonly kind: 'remove' }
  | { readonly kind: 'mask'; readonly keepLast?: number }
  | { readonly kind: 'token' }
  | { readonly kind: 'hash' }
  | { readonly kind: 'keep' }

export type ActionKind = Action['kind']

export interface KeyedFunctions {
  readonly token?: Keyed | undefined
  readonly hash?: Keyed | undefined
}

const KEEP_MAX = 8

const lastOf = (value: string, keepLast: number): string => {
  const solid = value.replace(/[^A-Za-z0-9]/g, '')
  const count = Math.min(keepLast, KEEP_MAX, Math.floor(solid.length / 2))
  return count > 0 ? solid.slice(-count) : ''
}

const CASELESS: ReadonlySet<PiiType> = new Set(['EMAIL', 'IP_ADDRESS', 'URL'])
const SOLID: ReadonlySet<PiiType> = new Set(['US_SSN', 'CREDIT_CARD', 'PASSPORT', 'IBAN', 'OTHER'])

/** One spelling for equal values: digits of a telephone number, small letters of an address, no separators in numbers. */
export const normalise = (type: PiiType, value: string): string => {
  const plain = value.normalize('NFKC').trim()
  if (type === 'PHONE')
    return plain
      .replace(/\(0\)/, '')
      .replace(/(?:ext\.?|x|#).*$/i, '')
      .replace(/[^0-9+]/g, '')
  if (CASELESS.has(type)) return plain.toLowerCase()
  if (SOLID.has(type)) return plain.replace(/[^\p{L}\p{N}]/gu, '').toUpperCase()
  return type === 'SECRET' ? plain : plain.replace(/\s+/g, ' ').toLowerCase()
}

const safe = (text: string): string => text.replace(/[^A-Za-z0-9_-]/g, '').slice(0, 64) || '0'

const keyed = (call: Keyed | undefined, sign: string, found: { type: PiiType; value: string }): string =>
  call === undefined ? '' : sign + safe(call(found.type, normalise(found.type, found.value)))

/** The text that takes the place of a value; undefined where the value stays. */
export const replacement = (
  action: Action,
  found: { readonly type: PiiType; readonly value: string },
  functions: KeyedFunctions,
): string | undefined => {
  if (action.kind === 'keep') return undefined
  if (action.kind === 'remove') return placeholder(found.type)
  if (action.kind === 'mask')
    return placeholder(found.type, ` ***${lastOf(found.value, action.keepLast ?? 4)}`)
  if (action.kind === 'token') return placeholder(found.type, keyed(functions.token, ':', found))
  return placeholder(found.type, keyed(functions.hash, '#', found))
}
