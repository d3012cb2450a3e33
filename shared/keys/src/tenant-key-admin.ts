import { AppError } from '@muniment/schema'
import {
  createTenantKey,
  newestNumber,
  parseStoredKey,
  tenantKeyFolder,
  tenantKeyPrefix,
  unwrapTenantKey,
  wrapTenantKey,
  type StoredTenantKey,
  type TenantKeyOptions,
} from './tenant-keys.ts'

/** A generation of a tenant's key, without the key. */
export interface TenantKeyInfo {
  readonly tenant: string
  readonly generation: string
  /** The generation of root that wraps it. */
  readonly root: string
  /** 0 where unknown. */
  readonly madeMs: number
  readonly isNewest: boolean
}

/** What only administration does with tenant keys. */
export interface TenantKeyAdmin {
  /** All generations, oldest first; of one tenant where it is named. */
  readonly list: (tenant?: string) => Promise<readonly TenantKeyInfo[]>
  /** Makes a new generation, with which new segments are written within a cache lifetime; what is archived stays as it is. */
  readonly rotate: (tenant: string) => Promise<string>
  /** Wraps every tenant key that another root generation wraps under the current one; the number of those. */
  readonly rewrap: () => Promise<number>
  /** Destroys one generation. Throws `KEY_IN_USE` where processes may still write with it, `NOT_FOUND` where there is none. */
  readonly retire: (tenant: string, generation: string) => Promise<void>
  /** Destroys all of a tenant's keys; the generations destroyed. */
  readonly destroy: (tenant: string) => Promise<readonly string[]>
}

interface Placed extends StoredTenantKey {
  readonly place: string
  readonly tenant: string
  readonly version: string
}

async function* placed({ state }: TenantKeyOptions, prefix: string): AsyncGenerator<Placed> {
  for await (const place of state.list(prefix)) {
    const entry = await state.get(place)
    if (entry === undefined) continue
    const [, tenant = ''] = place.split('/')
    yield { ...parseStoredKey(entry.value, place), place, tenant, version: entry.version }
  }
}

async function list(options: TenantKeyOptions, tenant?: string): Promise<readonly TenantKeyInfo[]> {
  const prefix = tenant === undefined ? `${tenantKeyFolder}/` : tenantKeyPrefix(tenant)
  const all: Placed[] = []
  for await (const each of placed(options, prefix)) all.push(each)
  return all.map((each, at) => ({
    tenant: each.tenant,
    generation: each.id,
    root: each.root,
    madeMs: each.madeMs,
    isNewest: all[at + 1]?.tenant !== each.tenant,
  }))
}

async function rewrapOne(options: TenantKeyOptions, each: Placed): Promise<boolean> {
  const current = await options.root.current()
  if (each.root === current.id) return false
  const { key } = await unwrapTenantKey(options, each.tenant, each)
  const stored = await wrapTenantKey(options, each.tenant, { generation: each.id, key, madeMs: each.madeMs })
  // Another administrator may have been faster, or the tenant been erased; then there is nothing to do.
  return (await options.state.put(each.place, stored, each.version)) !== undefined
}

async function rewrap(options: TenantKeyOptions): Promise<number> {
  let count = 0
  for await (const each of placed(options, `${tenantKeyFolder}/`))
    if (await rewrapOne(options, each)) count += 1
  return count
}

async function retire(options: TenantKeyOptions, tenant: string, generation: string): Promise<void> {
  const all: Placed[] = []
  for await (const each of placed(options, tenantKeyPrefix(tenant))) all.push(each)
  const at = all.findIndex(each => each.id === generation)
  const [found, next] = [all[at], all[at + 1]]
  if (found === undefined)
    throw new AppError(
      'NOT_FOUND',
      `The key of tenant ${tenant} has no generation ${generation.slice(0, 80)}.`,
    )
  const what = `Generation ${generation} of the key of tenant ${tenant}`
  if (next === undefined)
    throw new AppError('KEY_IN_USE', `${what} is the newest.`, {
      hint: `Rotate first: \`muniment keys rotate --tenant ${tenant}\`.`,
    })
  const idleMs = next.madeMs + options.cacheTtlMs
  if (options.now() < idleMs)
    throw new AppError('KEY_IN_USE', `${what} may be in use until ${new Date(idleMs).toISOString()}.`)
  await options.state.delete(found.place)
}

async function destroy({ state }: TenantKeyOptions, tenant: string): Promise<readonly string[]> {
  const destroyed: string[] = []
  for await (const place of state.list(tenantKeyPrefix(tenant))) {
    const entry = await state.get(place)
    // One that cannot be read must go as well.
    await state.delete(place)
    if (entry !== undefined) destroyed.push(idOf(entry.value, place))
  }
  return destroyed
}

function idOf(value: Uint8Array, place: string): string {
  try {
    return parseStoredKey(value, place).id
  } catch {
    return place.slice(place.lastIndexOf('/') + 1)
  }
}

/** Administration of the tenant keys in a state. */
export function createTenantKeyAdmin(options: TenantKeyOptions): TenantKeyAdmin {
  return {
    list: async tenant => await list(options, tenant),
    rotate: async tenant => {
      const number = (await newestNumber(options.state, tenant)) + 1
      return (await createTenantKey(options, tenant, number)).generation
    },
    rewrap: async () => await rewrap(options),
    retire: async (tenant, generation) => await retire(options, tenant, generation),
    destroy: async tenant => await destroy(options, tenant),
  }
}
