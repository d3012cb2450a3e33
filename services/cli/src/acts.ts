import { hostname, userInfo } from 'node:os'
import type { AdminAct, AdminLane } from '@muniment/interceptor/admin'
import type { Config } from '@muniment/runtime'
import { isAppError } from '@muniment/schema'
import { openKeysOf } from './context.ts'
import { destination } from './destination.ts'
import { ensureIngestKey } from './ingest-key.ts'

/** What is done, to what, and what is worth knowing of it. */
export interface Act {
  /** Without `muniment/`, as in `keys.rotate`. */
  readonly name: string
  readonly target?: string
  readonly details?: Readonly<Record<string, unknown>>
  /** Who did it, as verified; left out for whoever runs this process. */
  readonly by?: AdminAct['principal']
}

/** Who runs this process, by the word of the operating system. */
function operator(): AdminAct['principal'] {
  return { id: `${userInfo().username}@${hostname()}`, method: 'os_user' }
}

/** Those who administer may read the key from its secret; others get it from their settings. */
async function sealTo(config: Config): Promise<string | undefined> {
  if (config.interceptor.ingestKey !== undefined || config.bus.kind === 'embedded')
    return config.interceptor.ingestKey
  try {
    await using context = await openKeysOf(config)
    return await context.keys.ingestPublicKey()
  } catch (error) {
    if (isAppError(error)) return undefined
    throw error
  }
}

/** The lane of this process's acts. */
export async function openActs(config: Config): Promise<AdminLane> {
  await ensureIngestKey(config)
  const ingestKey = await sealTo(config)
  const { openAdminLane } = await import('@muniment/interceptor/admin')
  return openAdminLane({
    home: config.home,
    ...destination(config),
    ...(ingestKey !== undefined && { ingestKey }),
  })
}

/** An act as an event of the lane. */
export function actEvent({ name, target, details = {}, by = operator() }: Act): AdminAct {
  return {
    method: `muniment/${name}`,
    ...(target !== undefined && { target }),
    outcome: 'ok',
    principal: by,
    details,
  }
}

function codeOf(error: unknown): string {
  return isAppError(error) ? error.code : 'unknown'
}

/**
 * Does something that must not go unrecorded: that it begins is durable before it does, and then what became of it. Where the first cannot be
 * recorded, nothing is done.
 */
export async function perform<T extends object>(
  config: Config,
  act: Act,
  work: () => Promise<T>,
): Promise<T> {
  await using lane = await openActs(config)
  const event = actEvent(act)
  await lane.record({ ...event, details: { ...act.details, phase: 'begun' } })
  try {
    const result = await work()
    await lane.record({ ...event, details: { ...act.details, ...result, phase: 'done' } })
    return result
  } catch (error) {
    const outcome = isAppError(error, 'LEGAL_HOLD') ? 'denied' : 'rpc_error'
    await lane.record({
      ...event,
      outcome,
      details: { ...act.details, phase: 'failed', code: codeOf(error) },
    })
    throw error
  }
}
