import { AppError } from '@muniment/schema'

/** Throws `CONFIG_INVALID` where requests must be recorded first: whoever asked for that wants none to pass without. */
export function refuseDelivery({ delivery }: { readonly delivery?: unknown }, place: string): void {
  if (delivery === undefined || delivery === 'fail-open') return
  throw new AppError('CONFIG_INVALID', `${place} does not hold requests back until they are recorded.`, {
    hint: 'Unset MUNIMENT_FAIL_CLOSED here, and fail closed in attach() of the server behind it, or under muniment wrap.',
  })
}
