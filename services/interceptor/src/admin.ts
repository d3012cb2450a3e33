import { adminTenant, AppError } from '@muniment/schema'
import { openHost } from './host.ts'
import { readSettings } from './main-env.ts'
import type { AttachOptions } from './options.ts'
import type { AdminAct } from './record.ts'

export type { AdminAct } from './record.ts'

/** The lane in which one process records its administrative acts. */
export interface AdminLane extends AsyncDisposable {
  /** Resolves when the act is durable: on the bus, or sealed in the spool of this machine. Rejects with `DEPENDENCY_UNREACHABLE` where it is not in time. */
  readonly record: (act: AdminAct) => Promise<void>
}

/** How long recording may take before the act is refused. */
const deadlineMs = 10_000
/** How long ending the lane may take; what is not on the bus by then lies in the spool. */
const closeMs = 2000

/**
 * Opens a lane for administrative acts. They travel like any observation: sealed, numbered, masked, archived. Rejects with `SECRET_MISSING`
 * where there is no key to seal to, because then nothing could be recorded.
 */
export function openAdminLane(options: Omit<AttachOptions, 'tenant'>): AdminLane {
  const host = openHost(readSettings({ ...options, tenant: adminTenant }))
  return {
    async record(act) {
      if (!host.canSeal())
        throw new AppError(
          'SECRET_MISSING',
          'There is no ingest key, so an administrative act cannot be recorded.',
          {
            hint: 'Set MUNIMENT_INGEST_KEY (`muniment keys ingest` prints it), or run `muniment keys init`.',
          },
        )
      host.core.act(act)
      if (await host.isFlushed(deadlineMs)) return
      throw new AppError(
        'DEPENDENCY_UNREACHABLE',
        `An administrative act could not be recorded within ${deadlineMs} ms.`,
      )
    },
    [Symbol.asyncDispose]: async () => await host.close(closeMs),
  }
}
