import { randomBytes } from 'node:crypto'
import { openStore, type ArchiveStore, type StoreConfig } from '@muniment/archive'
import { openBus, type Bus } from '@muniment/bus'
import { openKeys, openSecrets, type Keys } from '@muniment/keys'
import type { Config, Logger } from '@muniment/runtime'
import { AppError } from '@muniment/schema'
import { openState, type StateStore } from '@muniment/state'

/** Opens the bus of a configuration. */
export async function openBusOf(config: Config, log?: Logger): Promise<Bus> {
  const { bus } = config
  if (bus.kind === 'collector')
    throw new AppError('CONFIG_INVALID', 'MUNIMENT_BUS names a collector, which only takes events in.', {
      hint: 'Run this command where MUNIMENT_BUS is embedded: or kafka://….',
    })
  return openBus(bus, log && { log: (event, facts) => log.warn(event, facts) })
}

function storeConfig({ store, retention }: Config): StoreConfig {
  if (store.kind === 'file') return { kind: 'file', directory: store.dir }
  const { bucket, prefix, forcePathStyle } = store
  return {
    kind: 's3',
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    client: { forcePathStyle },
    lockMode: retention.lockMode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE',
  }
}

/** The bucket of the archive; `undefined` where it is a folder. */
export function s3ConfigOf(config: Config): Extract<StoreConfig, { readonly kind: 's3' }> | undefined {
  const store = storeConfig(config)
  return store.kind === 's3' ? store : undefined
}

/** Opens the archive's store. */
export async function openStoreOf(config: Config): Promise<ArchiveStore> {
  return openStore(storeConfig(config))
}

/** Mutable state and the keys that lie in it. */
export interface KeyContext extends AsyncDisposable {
  readonly state: StateStore
  readonly keys: Keys
}

/** Opens state, secrets and keys; nothing is read before it is needed. */
export async function openKeysOf(config: Config): Promise<KeyContext> {
  const state = await openState(config.state)
  const secrets = await openSecrets(config.secrets)
  const keys = openKeys({
    secrets,
    state,
    now: Date.now,
    randomBytes,
    cacheTtlMs: config.keys.cacheTtlMs,
    logName: config.log.name,
  })
  return { state, keys, [Symbol.asyncDispose]: async () => state[Symbol.asyncDispose]() }
}
