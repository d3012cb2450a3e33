/** Every error code of the product with its standing hint: what to do next. Codes are added, never renamed. */
export const errorCodes = {
  AUTH_FAILED: 'Check the credential and its expiry.',
  ACCESS_DENIED: 'Ask an administrator for the permission named in the message.',
  INVALID_INPUT: 'Correct the value named in the message.',
  RATE_LIMITED: 'Wait for the time named in the message, then try again.',
  SERVICE_ERROR: 'Look up the correlation id in the log of the service.',
  CONFIG_INVALID:
    'Correct the setting named in the message; `muniment doctor --settings` lists all settings.',
  DEPENDENCY_UNREACHABLE:
    'Check the address and that the service is up; `muniment doctor` tests each dependency.',
  BUS_REJECTED:
    'Check that the topic exists and that these credentials may use it; `muniment doctor` tests both.',
  BATCH_MALFORMED: 'The record is in the dead-letter topic; `muniment dlq list` shows why.',
  BATCH_UNREADABLE:
    'The batch was sealed to a key that is not held here; `muniment keys status` lists the keys held.',
  SCHEMA_UNKNOWN: 'A newer producer wrote this record; upgrade this service, then run `muniment dlq replay`.',
  SECRET_MISSING: 'Create the secret named in the message with `muniment keys init`.',
  SECRET_DENIED: 'Grant this process the permission named in the message.',
  SECRET_MALFORMED: 'Restore the secret named in the message from its previous version.',
  KEY_UNKNOWN:
    'The key generation named in the message is not held here; it may have been destroyed on purpose.',
  KEY_WRONG:
    'A key is held where the right one should be: the secret or the state was replaced or altered. Restore the one that belongs to the other.',
  KEY_NOT_GIVEN: 'Give the key of the segment named in the message; `muniment keys data` prints it.',
  KEY_IN_USE: 'Wait until nothing depends on the generation named in the message, then try again.',
  LEGAL_HOLD: 'Release the hold named in the message with `muniment hold release`, if you may.',
  STORE_CONFLICT: 'Another process owns this position; this one re-reads and goes on.',
  STORE_REFUSED:
    'Check the permissions and the Object Lock settings of the store; `muniment doctor` tests both.',
  STORE_UNSAFE: 'Use a store that keeps objects immutable, or record the exception in the configuration.',
  ARCHIVE_DAMAGED:
    'Run `muniment verify` for the full report; restore the object named in the message from a copy.',
  RETENTION_ENDED:
    'The object was kept as long as its class said, and then removed; that it was there stays proven.',
  QUERY_INVALID: 'Correct the query; `muniment query --help` shows the views and columns.',
  QUERY_LIMIT: 'Narrow the time range or the filters, or raise the limit named in the message.',
  NOT_FOUND: 'Check the id; events appear in queries a few seconds after the call.',
  DISK_UNUSABLE: 'Free space or correct the permissions of the path named in the message.',
  RULE_FAILED:
    'The record is in the dead-letter topic, and archived all the same. Report what the message names; once it is mended, `muniment dlq replay` judges the record again.',
  LIMIT_EXCEEDED: 'The input is larger, deeper or more than the limit named in the message.',
} as const

/** The name of one kind of failure, stable for programs. */
export type ErrorCode = keyof typeof errorCodes

/** What an {@link AppError} carries beside its code and message. */
export interface AppErrorOptions {
  /** What to do next, where the standing hint of the code is too general. */
  readonly hint?: string
  /** Machine-readable facts; never payloads, tokens or keys. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** A broken promise: a code for programs, a sentence for people, a next step for operators. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly hint: string
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint ?? errorCodes[code]
    this.details = options.details ?? {}
  }
}

/** Whether `error` is an {@link AppError}, of the given code where one is named; works across copies of this package. */
export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  if (!(error instanceof Error) || error.name !== 'AppError' || !('code' in error)) return false
  return code === undefined || error.code === code
}
