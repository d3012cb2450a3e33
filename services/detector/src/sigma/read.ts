import { AppError } from '@muniment/schema'
import type { Scalar } from './facts.ts'

/** A map of a YAML document. */
export type Fields = Readonly<Record<string, unknown>>

/** Ends the reading of a rule: `CONFIG_INVALID` with what is wrong. */
export function refuse(why: string): never {
  throw new AppError('CONFIG_INVALID', why)
}

const units: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  M: 30 * 86_400_000,
  y: 365 * 86_400_000,
}

/** Milliseconds of `90s`, `15m`, `24h`, `7d`, `2w`, `1M` (30 days), `1y` (365 days): Sigma's timespan. */
export function durationMs(text: string): number {
  const [, amount = '', unit = ''] = /^(\d{1,6})([smhdwMy])$/u.exec(text) ?? []
  const factor = units[unit]
  return factor === undefined
    ? refuse(`${JSON.stringify(text)} is not a duration like 15m`)
    : Number(amount) * factor
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function fieldsOf(value: unknown, what: string): Fields {
  return isFields(value) ? value : refuse(`${what} is not a map`)
}

export function textOf(value: unknown, what: string): string {
  return typeof value === 'string' && value !== '' ? value : refuse(`${what} is not a text`)
}

export function textsOf(value: unknown, what: string): readonly string[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value.map(entry => textOf(entry, what)) : refuse(`${what} is not a list`)
}

export function scalarOf(value: unknown): Scalar {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value
  return refuse('a search compares with something that is not a text, number, boolean or null')
}

export function refuseUnknown(block: Fields, known: readonly string[], what: string): void {
  const unknown = Object.keys(block).find(key => !known.includes(key))
  if (unknown !== undefined) refuse(`${what} has the unknown key ${unknown}`)
}
