import { AppError } from '@muniment/schema'
import type { AttachOptions } from '../options.ts'
import { requestMatcher } from './patterns.ts'
import type { Delivery } from '../settings.ts'

type Environment = Readonly<Record<string, string | undefined>>

const defaultDeadlineMs = 2000
/** Shorter than the time after which a guard gives up on its parts. */
const maxDeadlineMs = 9000

function checkedDeadline(value: number): number {
  if (value >= 1 && value <= maxDeadlineMs) return value
  throw new AppError(
    'CONFIG_INVALID',
    `The setting MUNIMENT_RECORD_DEADLINE_MS is ${value}, not a number from 1 to ${maxDeadlineMs}.`,
  )
}

function patternsOf(environment: Environment): readonly string[] {
  return (environment['MUNIMENT_FAIL_CLOSED'] ?? '').split(',').flatMap(one => one.trim() || [])
}

/** Which requests fail closed; `undefined` where none does. Throws `CONFIG_INVALID`. */
export function deliveryOf(
  { delivery }: Pick<AttachOptions, 'delivery'>,
  environment: Environment,
): Delivery | undefined {
  if (delivery === 'fail-open') return undefined
  const given = delivery === 'fail-closed' ? { failClosed: ['*'] } : (delivery ?? {})
  const failClosed = given.failClosed ?? patternsOf(environment)
  requestMatcher(failClosed)
  const named = environment['MUNIMENT_RECORD_DEADLINE_MS'] ?? ''
  const deadlineMs = 'deadlineMs' in given ? given.deadlineMs : undefined
  const deadline = deadlineMs ?? (named === '' ? defaultDeadlineMs : Number(named))
  return failClosed.length === 0 ? undefined : { failClosed, deadlineMs: checkedDeadline(deadline) }
}
