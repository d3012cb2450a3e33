import { placeholder } from './placeholder.ts'
import { shaped } from './shape.ts'
import type { PiiType } from './types.ts'

/**
 * A keyed one-way function over the normalised value of one kind, for one tenant; must be synchronous and give hexadecimal digits, which become
 * small letters, so that no id can be taken for a number.
 */
export type Keyed = (kind: string, value: string, tenant: string) => string

/**
 * What happens to a value. `remove` leaves `[EMAIL]`; `mask` leaves `[EMAIL ***` and the last `keepLast` letters and digits (4 unless told, at
 * most 8, never more than half of them); `token` and `hash` leave what the keyed function of the policy gives, so that equal values stay equal;
 * `keep` changes nothing and is still counted. With `keepsShape`, `remove` and `token` leave a value of the same form instead, such as
 * `x@masked.invalid`, which passes the same schema. A vaulted token is random and can be erased one by one; the policy's `vault` gives it.
 */
export type Action =
  | { readonly kind: 'remove'; readonly keepsShape?: boolean }
  | { readonly kind: 'mask'; readonly keepLast?: number }
  | { readonly kind: 'token'; readonly keepsShape?: boolean; readonly isVaulted?: boolean }
  | { readonly kind: 'hash' }
  | { readonly kind: 'keep' }

export type ActionKind = Action['kind']

interface KeyedFunctions {
  readonly token?: Keyed | undefined
  readonly hash?: Keyed | undefined
  readonly vault?: Keyed | undefined
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

const ID_MAX = 64
const LETTERS = 'qrstuvwxyz'

/** Small letters only: hexadecimal digits keep apart, whatever else comes is dropped. */
export const lettersOf = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[0-9]/g, digit => LETTERS[Number(digit)] ?? '')
    .replace(/[^a-z]/g, '')
    .slice(0, ID_MAX) || 'x'

/** A value that was found, and whose it is. */
export interface Value {
  readonly type: PiiType
  /** Name of a custom kind. */
  readonly kind: string | undefined
  /** As people write it. */
  readonly value: string
  /** As it stands in the text, inside so many JSON strings; a bare number or part of a string. */
  readonly raw: string
  readonly level: number
  readonly isNumber: boolean
  readonly tenant: string
}

/** What gives values their ids, in hexadecimal. */
export interface Ids {
  readonly token: (found: Value) => string
  readonly hash: (found: Value) => string
  /** Of vaulted tokens; `token` where absent. */
  readonly vault?: (found: Value) => string
}

const idBy =
  (call: Keyed | undefined) =>
  ({ type, kind, value, tenant }: Value): string =>
    call === undefined ? '' : call(kind ?? type, normalise(type, value), tenant)

/** Ids by the keyed functions of a policy. */
export const keyedIds = ({ token, hash, vault }: KeyedFunctions): Ids => ({
  token: idBy(token),
  hash: idBy(hash),
  ...(vault && { vault: idBy(vault) }),
})

const shapedOr = (keepsShape: boolean | undefined, found: Value, id: string): string | undefined =>
  keepsShape === true ? shaped(found.type, found.value, id) : undefined

const tokenOf = (isVaulted: boolean, found: Value, { token, vault }: Ids): string =>
  isVaulted && vault !== undefined ? vault(found) : token(found)

/** The text that takes the place of a value; undefined where the value stays. */
export const replacement = (action: Action, found: Value, ids: Ids): string | undefined => {
  const name = found.kind ?? found.type
  if (action.kind === 'keep') return undefined
  if (action.kind === 'remove') return shapedOr(action.keepsShape, found, '') ?? placeholder(name)
  if (action.kind === 'mask') return placeholder(name, ` ***${lastOf(found.value, action.keepLast ?? 4)}`)
  if (action.kind === 'hash') return placeholder(name, `#${lettersOf(ids.hash(found))}`)
  const id = lettersOf(tokenOf(action.isVaulted === true, found, ids))
  return shapedOr(action.keepsShape, found, id) ?? placeholder(name, `:${id}`)
}
