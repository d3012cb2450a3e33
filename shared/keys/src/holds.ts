import { AppError } from '@muniment/schema'
import type { StateStore } from '@muniment/state'

/** A legal hold: nothing of a tenant, or of one person in it, may be erased. */
export interface Hold {
  readonly tenant: string
  /** The token of a person's row in the vault; absent = the whole tenant. */
  readonly person?: string
  readonly reason: string
  readonly by: string
  readonly sinceMs: number
}

/** What is held. A hold is looked up before anything is erased, and never cached. */
export interface Holds {
  /** `false` where there is one already; it stays as it is. */
  readonly set: (hold: Hold) => Promise<boolean>
  /** `false` where there was none. */
  readonly release: (of: Pick<Hold, 'tenant' | 'person'>) => Promise<boolean>
  readonly list: (tenant?: string) => Promise<readonly Hold[]>
  /** Throws `LEGAL_HOLD` where erasing a tenant, or a person of it, would take something that is held. */
  readonly assertNone: (of: Pick<Hold, 'tenant' | 'person'>) => Promise<void>
}

const folder = 'holds'
const whole = '-'
const tenantForm = /^[a-z0-9][a-z0-9_.-]{0,62}$/u

function prefixOf(tenant: string): string {
  if (tenantForm.test(tenant)) return `${folder}/${tenant}/`
  throw new AppError(
    'INVALID_INPUT',
    `${JSON.stringify(tenant.slice(0, 80))} cannot be the name of a tenant.`,
  )
}

function placeOf({ tenant, person = whole }: Pick<Hold, 'tenant' | 'person'>): string {
  return `${prefixOf(tenant)}${person}`
}

function parseHold(value: Uint8Array, place: string): Hold {
  const [, tenant = '', person = ''] = place.split('/')
  const named = { tenant, ...(person !== whole && { person }) }
  try {
    const hold: { reason?: unknown; by?: unknown; since_ms?: unknown } = JSON.parse(
      Buffer.from(value).toString(),
    )
    const { reason, by, since_ms: sinceMs } = hold
    return { ...named, reason: String(reason), by: String(by), sinceMs: Number(sinceMs) }
  } catch {
    // Whatever is there holds.
    return { ...named, reason: 'unreadable', by: 'unknown', sinceMs: 0 }
  }
}

async function list(state: StateStore, prefix: string): Promise<readonly Hold[]> {
  const holds: Hold[] = []
  for await (const place of state.list(prefix)) {
    const entry = await state.get(place)
    if (entry !== undefined) holds.push(parseHold(entry.value, place))
  }
  return holds
}

/** The holds in a state. */
export function createHolds(state: StateStore): Holds {
  return {
    async set(hold) {
      const { reason, by, sinceMs } = hold
      const value = Buffer.from(JSON.stringify({ reason, by, since_ms: sinceMs }))
      return (await state.put(placeOf(hold), value, undefined)) !== undefined
    },
    async release(of) {
      const place = placeOf(of)
      if ((await state.get(place)) === undefined) return false
      await state.delete(place)
      return true
    },
    list: async tenant => await list(state, tenant === undefined ? `${folder}/` : prefixOf(tenant)),
    async assertNone({ tenant, person }) {
      const holds = await list(state, prefixOf(tenant))
      const held = holds.find(
        hold => person === undefined || hold.person === undefined || hold.person === person,
      )
      if (held === undefined) return
      const what = held.person === undefined ? `Tenant ${tenant}` : `A person of tenant ${tenant}`
      const since = new Date(held.sinceMs).toISOString()
      throw new AppError('LEGAL_HOLD', `${what} is on hold since ${since}: ${held.reason.slice(0, 200)}`)
    },
  }
}
