import type { PiiType } from './types.ts'

/** Host of replaced addresses: reserved for names that must not exist (RFC 2606). */
export const MASKED_HOST = 'masked.invalid'

/** Zeros and `X` in the places of digits and letters: never a number that was given out. */
const blanked = (value: string): string => value.replace(/\p{N}/gu, '0').replace(/\p{L}/gu, 'X')

const date = (value: string): string => (/^\d{4}-\d{2}-\d{2}$/.test(value) ? '0001-01-01' : blanked(value))

const address = (value: string): string => (value.includes(':') ? '::' : '0.0.0.0')

/** Forms that have room for an id. */
const withId = (type: PiiType, id: string): string | undefined => {
  if (type === 'EMAIL') return `${id}@${MASKED_HOST}`
  return type === 'URL' ? `https://${MASKED_HOST}/${id}` : undefined
}

const TEXTS: ReadonlySet<string> = new Set(['NAME', 'STREET_ADDRESS', 'SECRET'])

/** Whether values of a kind have a form of their own; plain text has none. */
export const hasForm = (kind: string): boolean => !TEXTS.has(kind)

/**
 * A value of the same form that stands for nobody: it passes the same schema. `undefined` for kinds that are plain text, and where there is an id
 * but no room for it.
 */
export const shaped = (type: PiiType, value: string, id: string): string | undefined => {
  if (id !== '') return withId(type, id)
  if (TEXTS.has(type)) return undefined
  if (type === 'IP_ADDRESS') return address(value)
  return type === 'DATE_OF_BIRTH' ? date(value) : (withId(type, 'x') ?? blanked(value))
}
