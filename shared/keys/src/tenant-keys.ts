import { createSecretKey, type KeyObject } from 'node:crypto'
import { AppError } from '@muniment/schema'
import { newGenerationId, type Source } from './generations.ts'
import { unwrapKey, wrapKey, wrapNonceBytes, type Binding } from './wrap.ts'
import type { Keyring } from './keyring.ts'
import type { StateStore } from '@muniment/state'

/** A key that wraps tenant keys. */
export interface RootKey {
  readonly id: string
  readonly key: KeyObject
}

/** A tenant's key: it wraps that tenant's data keys. */
export interface TenantKey {
  readonly generation: string
  readonly key: KeyObject
}

/** Finds and makes tenant keys. */
export interface TenantKeys {
  /** The newest; made where the tenant has none. */
  readonly current: (tenant: string) => Promise<TenantKey>
  /** `KEY_UNKNOWN` where that generation is not, or no longer, there; `KEY_WRONG` where it does not open. */
  readonly find: (tenant: string, generation: string) => Promise<TenantKey>
}

/** What tenant keys need. */
export interface TenantKeyOptions extends Source {
  readonly root: Keyring<RootKey>
  readonly state: StateStore
  readonly cacheTtlMs: number
}

/** Where every tenant key lies, one folder per tenant; whoever deletes a tenant's entries shreds what was wrapped by them. */
export const tenantKeyFolder = 'tenant-keys'
const keyBytes = 32
const maxCached = 10_000
const tenantForm = /^[a-z0-9][a-z0-9_.-]{0,62}$/u
const generationForm = /^([1-9]\d{0,8})-[0-9a-f]{8}$/u

/** Where a tenant's keys lie. Throws `INVALID_INPUT` for what cannot be a tenant's name. */
export function tenantKeyPrefix(tenant: string): string {
  if (!tenantForm.test(tenant))
    throw new AppError(
      'INVALID_INPUT',
      `${JSON.stringify(tenant.slice(0, 80))} cannot be the name of a tenant.`,
    )
  return `${tenantKeyFolder}/${tenant}/`
}

function stateKey(tenant: string, number: number): string {
  return `${tenantKeyPrefix(tenant)}${String(number).padStart(9, '0')}`
}

/** A tenant key as it lies in the state. */
export interface StoredTenantKey {
  readonly id: string
  readonly root: string
  readonly wrapped: string
  /** When it was made, milliseconds since the epoch; 0 where its writer did not say. */
  readonly madeMs: number
}

/** Reads what lies at `place`. Throws `KEY_WRONG` where that is no tenant key. */
export function parseStoredKey(value: Uint8Array, place: string): StoredTenantKey {
  const malformed = (): AppError =>
    new AppError('KEY_WRONG', `The tenant key in ${place} is damaged.`, {
      hint: 'Restore the state from a copy.',
    })
  let stored: unknown
  try {
    stored = JSON.parse(Buffer.from(value).toString())
  } catch {
    throw malformed()
  }
  if (typeof stored !== 'object' || stored === null || !('v' in stored) || stored.v !== 1) throw malformed()
  const {
    id,
    root,
    wrapped,
    made_ms: made,
  } = {
    id: undefined,
    root: undefined,
    wrapped: undefined,
    made_ms: 0,
    ...stored,
  }
  if (typeof id !== 'string' || typeof root !== 'string' || typeof wrapped !== 'string') throw malformed()
  return { id, root, wrapped, madeMs: typeof made === 'number' ? made : 0 }
}

function bindingOf(tenant: string, { id, root, madeMs }: Omit<StoredTenantKey, 'wrapped'>): Binding {
  const made = madeMs === 0 ? [] : [String(madeMs)]
  return ['muniment/tenant-key/v1', tenant, id, root, ...made]
}

function unknown(tenant: string, generation: string, cause?: unknown): AppError {
  return new AppError('KEY_UNKNOWN', `Generation ${generation} of the key of tenant ${tenant} is not held.`, {
    details: { tenant, generation },
    cause,
  })
}

/** Opens a stored key. Throws `KEY_WRONG` where its root generation is not held or it was altered. */
export async function unwrapTenantKey(
  options: TenantKeyOptions,
  tenant: string,
  stored: StoredTenantKey,
): Promise<TenantKey> {
  const { id, root, wrapped } = stored
  const binding = bindingOf(tenant, stored)
  const tryOnce = async (): Promise<KeyObject | undefined> => {
    const found = await options.root.find(root)
    return found && unwrapKey(found.key, wrapped, binding)
  }
  const key = (await tryOnce()) ?? ((await options.root.refresh()) ? await tryOnce() : undefined)
  if (key !== undefined) return { generation: id, key }
  throw new AppError(
    'KEY_WRONG',
    `The key of tenant ${tenant} (${id}) does not open with root generation ${root}.`,
    {
      hint: 'The secret root was replaced, or the state was altered: restore the one that belongs to the other.',
      details: { tenant, generation: id, root },
    },
  )
}

async function load(
  options: TenantKeyOptions,
  tenant: string,
  number: number,
): Promise<TenantKey | undefined> {
  const place = stateKey(tenant, number)
  const entry = await options.state.get(place)
  return entry && (await unwrapTenantKey(options, tenant, parseStoredKey(entry.value, place)))
}

/** The form in which a tenant key lies in the state: wrapped under the root generation that is current. */
export async function wrapTenantKey(
  { root, randomBytes }: TenantKeyOptions,
  tenant: string,
  { generation: id, key, madeMs }: TenantKey & { readonly madeMs: number },
): Promise<Uint8Array> {
  const rootKey = await root.current()
  const binding = bindingOf(tenant, { id, root: rootKey.id, madeMs })
  const wrapped = wrapKey(rootKey.key, key, { binding, nonce: randomBytes(wrapNonceBytes) })
  return Buffer.from(JSON.stringify({ v: 1, id, root: rootKey.id, made_ms: madeMs, wrapped }))
}

/** Makes generation `number`, or reads the one that another process made meanwhile. */
export async function createTenantKey(
  options: TenantKeyOptions,
  tenant: string,
  number: number,
): Promise<TenantKey> {
  const { state, randomBytes, now } = options
  const id = newGenerationId(number, options)
  const key = createSecretKey(randomBytes(keyBytes))
  const stored = await wrapTenantKey(options, tenant, { generation: id, key, madeMs: now() })
  if ((await state.put(stateKey(tenant, number), stored, undefined)) !== undefined)
    return { generation: id, key }
  const theirs = await load(options, tenant, number)
  if (theirs === undefined) throw unknown(tenant, id)
  return theirs
}

/** The highest number among a tenant's keys; 0 where it has none. */
export async function newestNumber(state: StateStore, tenant: string): Promise<number> {
  let number = 0
  for await (const place of state.list(tenantKeyPrefix(tenant)))
    number = Math.max(number, Number(place.slice(place.lastIndexOf('/') + 1)) || 0)
  return number
}

async function newest(options: TenantKeyOptions, tenant: string): Promise<TenantKey> {
  const number = await newestNumber(options.state, tenant)
  return (
    (number > 0 ? await load(options, tenant, number) : undefined) ??
    (await createTenantKey(options, tenant, number + 1))
  )
}

/** Keeps values for `cacheTtlMs`, at most {@link maxCached} of them, and lets callers at once wait for one reading. */
function memo<T>(options: TenantKeyOptions): (name: string, read: () => Promise<T>) => Promise<T> {
  const held = new Map<string, { readonly value: Promise<T>; readonly staleMs: number }>()
  return async (name, read) => {
    const nowMs = options.now()
    const had = held.get(name)
    if (had !== undefined && nowMs < had.staleMs) return await had.value
    const value = read()
    held.delete(name)
    held.set(name, { value, staleMs: nowMs + options.cacheTtlMs })
    for (const oldest of held.keys()) {
      if (held.size <= maxCached) break
      held.delete(oldest)
    }
    return await value.catch((error: unknown) => {
      if (held.get(name)?.value === value) held.delete(name)
      throw error
    })
  }
}

/** Tenant keys in the state, wrapped under root; each is random, so that deleting its entry is enough to shred what it wrapped. */
export function createTenantKeys(options: TenantKeyOptions): TenantKeys {
  const currents = memo<TenantKey>(options)
  const generations = memo<TenantKey>(options)

  async function read(tenant: string, generation: string): Promise<TenantKey> {
    const number = Number(generationForm.exec(generation)?.[1])
    const found = number > 0 ? await load(options, tenant, number) : undefined
    // After shredding, a new key may have the same number; only the id tells that it is another.
    if (found?.generation !== generation) throw unknown(tenant, generation.slice(0, 40))
    return found
  }

  return {
    current: async tenant => await currents(tenant, async () => await newest(options, tenant)),
    find: async (tenant, generation) =>
      await generations(`${tenant}/${generation}`, async () => await read(tenant, generation)),
  }
}
