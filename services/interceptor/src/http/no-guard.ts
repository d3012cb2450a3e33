import { AppError } from '@muniment/schema'

/**
 * Throws `CONFIG_INVALID` where a guard is given to what only records. The types say so too, but a program without types would
 * believe itself protected.
 */
export function refuseGuard(options: object, place: string): void {
  if (!('guard' in options) || options.guard === undefined) return
  throw new AppError('CONFIG_INVALID', `A guard was given to ${place}, which records and refuses nothing.`, {
    hint: 'Give the guard to attach() of the server behind it, or run the server under muniment wrap --enforce.',
  })
}

/** The same for requests that must be recorded first: whoever asked for that wants none to pass without. */
export function refuseDelivery({ delivery }: { readonly delivery?: unknown }, place: string): void {
  if (delivery === undefined || delivery === 'fail-open') return
  throw new AppError('CONFIG_INVALID', `${place} does not hold requests back until they are recorded.`, {
    hint: 'Unset MUNIMENT_FAIL_CLOSED here, and fail closed in attach() of the server behind it, or under muniment wrap.',
  })
}
