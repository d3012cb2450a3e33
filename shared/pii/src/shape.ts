import type { PiiType } from './types.ts'

/** Host of replaced addresses: reserved for names that must not exist (RFC 2606). */
export const MASKED_HOST = 'masked.invalid'

/** Zeros and `X` in the places of digits and letters: never a number that was given out. */
const blanked = (value: string): string => value.replace(/\p{N}/gu, '0').replace(/\p{L}/gu, 'X')

const date = (value: string): string => (/^\d{4}-\d{2}-\d{2}$/.test(value) ? '0001-01-01' : blanked(value))

const address = (value: string): string => (value.includes(':') ? '::' : '0.0.0.0')

/** A value of the same form that stands for nobody: it passes the same schema; undefined for kinds that are plain text. */
export const shaped = (type: PiiType, value: string, id: string): string | undefined => {
  if (type === 'EMAIL') return `${id === '' ? 'x' : id}@${MASKED_HOST}`
  if (type === 'IP_ADDRESS') return address(value)
  if (type === 'URL') return `https://${MASKED_HOST}/${id}`
  if (type === 'DATE_OF_BIRTH') return date(value)
  return type === 'NAME' || type === 'STREET_ADDRESS' || type === 'SECRET' ? undefined : blanked(value)
}
