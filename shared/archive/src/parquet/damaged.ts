import { AppError } from '@muniment/schema'

/** Why a segment cannot be read; in `details.reason` of the error. */
export type DamageReason =
  | 'PME_AUTH'
  | 'PME_ALGORITHM'
  | 'PME_PLAINTEXT_FOOTER'
  | 'PME_COLUMN_KEY'
  | 'PME_KEY'
  | 'PME_AAD_PREFIX'
  | 'PARQUET_MALFORMED'
  | 'PARQUET_PROFILE'
  | 'BODY_UNRESOLVED'

/** The error for bytes that are not a segment as we write it. */
export function damaged(reason: DamageReason, message: string, cause?: unknown): AppError {
  return new AppError('ARCHIVE_DAMAGED', message, { details: { reason }, cause })
}
