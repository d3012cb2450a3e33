import { AppError } from '@muniment/schema'
import { InvalidArgumentError } from 'commander'

/** Option parsers for commander, and typed reading of what they returned. */

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration such as `30s`, `15m`, `2h` or `7d`, in milliseconds. */
export function durationMs(text: string): number {
  const match = /^(?<count>\d{1,9})(?<unit>[smhd])$/u.exec(text)
  const factor = units[match?.groups?.['unit'] ?? '']
  if (!match?.groups || factor === undefined)
    throw new InvalidArgumentError('Write a duration like 30s, 15m, 2h or 7d.')
  return Number(match.groups['count']) * factor
}

/** A moment: a duration before now, or a time such as `2026-11-20` or `2026-11-20T08:00Z`; in milliseconds since the epoch. */
export function instantMs(text: string): number {
  if (/^\d{1,9}[smhd]$/u.test(text)) return Date.now() - durationMs(text)
  const timeMs = /^\d{4}-\d\d-\d\d(?:T|$)/u.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(timeMs))
    throw new InvalidArgumentError('Write 30s, 15m, 2h or 7d, or a time like 2026-11-20T08:00Z.')
  return timeMs
}

const longestLifeMs = 31 * 86_400_000

/** How long something holds that must end by itself: a duration of at most 31 days. */
export function life(text: string): number {
  const lifeMs = durationMs(text)
  if (lifeMs > longestLifeMs) throw new InvalidArgumentError('Nothing holds for longer than 31 days.')
  return lifeMs
}

/** A whole number above zero. */
export function positiveInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('Write a whole number above zero.')
  return value
}

/** A whole number, zero included. */
export function wholeNumber(text: string): number {
  const value = /^\d{1,16}$/u.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('Write a whole number.')
  return value
}

/** The option's text, where it was given. */
export function textOption(options: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = options[name]
  return typeof value === 'string' ? value : undefined
}

/** For an option that may be given again and again. */
export function repeated(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

/** Every text that such an option was given. */
export function textOptions(options: Readonly<Record<string, unknown>>, name: string): readonly string[] {
  const values = options[name]
  return Array.isArray(values) ? values.filter(value => typeof value === 'string') : []
}

/** The option's number, where it was given or has a default. */
export function numberOption(options: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const value = options[name]
  return typeof value === 'number' ? value : undefined
}

/** Whether the flag was given. */
export function flag(options: Readonly<Record<string, unknown>>, name: string): boolean {
  return options[name] === true
}

/** The argument at `index`. Throws `INVALID_INPUT` where it is missing. */
export function argument(args: readonly string[], index: number, name: string): string {
  const value = args[index]
  if (value === undefined) throw new AppError('INVALID_INPUT', `The argument <${name}> is missing.`)
  return value
}
