import { isAppError } from '@muniment/schema'
import { cached } from './cached.ts'
import { newSecretText, parseSecret, type Generation, type Source } from './generations.ts'
import type { SecretName, SecretStore } from './secrets/secrets.ts'

/** Every live generation of one secret, imported for use. */
export interface Keyring<K> {
  /** The newest generation that is active already: new things are made with it. */
  readonly current: () => Promise<K>
  /** A generation by id. One that is not held is looked for once more where the secret lies; `undefined` = it is not there either. */
  readonly find: (id: string) => Promise<K | undefined>
  /** All of them, oldest first. */
  readonly all: () => Promise<readonly K[]>
  /** As after a key did not fit: reads the secret again, unless that was done just now. Whether it was read. */
  readonly refresh: () => Promise<boolean>
}

/** What keyrings share. */
export interface KeyringOptions extends Source {
  readonly secrets: SecretStore
  readonly cacheTtlMs: number
}

/** How one secret is turned into keys. */
export interface KeyringSpec<K> {
  readonly name: SecretName
  readonly load: (generation: Generation) => K
  /** Whether a missing secret may be made up now, where its place allows that at all. */
  readonly mayCreate?: () => Promise<boolean>
}

async function readOrCreate<K>(options: KeyringOptions, spec: KeyringSpec<K>): Promise<string> {
  const { secrets } = options
  try {
    return await secrets.read(spec.name)
  } catch (error) {
    if (!secrets.createsOnUse || !isAppError(error, 'SECRET_MISSING')) throw error
    if (spec.mayCreate === undefined || (await spec.mayCreate()))
      await secrets.create(spec.name, newSecretText(options))
    return await secrets.read(spec.name)
  }
}

type Held<K> = readonly { readonly id: string; readonly activeFromMs: number; readonly key: K }[]

/** The keys of one secret, read on first use and again after `cacheTtlMs`; while the secret cannot be reached, those held stay in use. */
export function createKeyring<K>(options: KeyringOptions, spec: KeyringSpec<K>): Keyring<K> {
  const { now, cacheTtlMs } = options
  const { get, refresh } = cached<Held<K>>({
    now,
    cacheTtlMs,
    read: async () =>
      parseSecret(spec.name, await readOrCreate(options, spec)).map(each => ({
        id: each.id,
        activeFromMs: each.activeFromMs,
        key: spec.load(each),
      })),
  })
  const pick = async (id: string): Promise<K | undefined> => (await get()).find(each => each.id === id)?.key
  return {
    async current() {
      const held = await get()
      const active = held.findLast(each => each.activeFromMs <= now()) ?? held[0]
      if (active === undefined) throw new RangeError('A secret has at least one generation.')
      return active.key
    },
    async find(id) {
      const found = await pick(id)
      return found === undefined && (await refresh()) ? await pick(id) : found
    },
    all: async () => (await get()).map(each => each.key),
    refresh,
  }
}
