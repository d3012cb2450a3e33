import { AppError, isAppError, type ErrorCode } from '@muniment/schema'

/** What is wrong with a record itself: the same at every attempt. */
const ofTheRecord: readonly ErrorCode[] = [
  'BATCH_MALFORMED',
  'SCHEMA_UNKNOWN',
  'LIMIT_EXCEEDED',
  'RULE_FAILED',
]

/** Whether a record is to be put aside as a dead letter, so that those behind it are judged. Anything else, such as a key out of reach, is tried again. */
export function isPutAside(error: unknown): error is AppError {
  return ofTheRecord.some(code => isAppError(error, code))
}

/** The place in the code that failed; unlike the message, it never quotes what was looked at. */
function placeOf({ stack = '' }: Error): string {
  return /\n\s+at (.*)/u.exec(stack)?.[1]?.replace(/\(?(?:file:\/\/)?\/.*\//u, '(') ?? 'unknown'
}

/**
 * What `judge` makes of a record. It only computes, so that it fails at one record fails at it always: whatever it throws becomes
 * `RULE_FAILED`, which is put aside. Neither message nor cause is carried on, for they may quote the record.
 */
export function judged<T>(judge: () => T): T {
  try {
    return judge()
  } catch (error) {
    if (isPutAside(error)) throw error
    const { name, place } =
      error instanceof Error
        ? { name: error.name, place: placeOf(error) }
        : { name: 'Error', place: 'unknown' }
    throw new AppError('RULE_FAILED', `a detector failed at this record: ${name} at ${place}`)
  }
}
