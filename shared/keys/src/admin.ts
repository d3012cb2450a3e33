import { checkIdle, retireGeneration, rotateSecret, type RotateOptions, type Rotation } from './rotate.ts'
import type { SecretName } from './secrets/secrets.ts'
import { createTenantKeyAdmin, type TenantKeyAdmin } from './tenant-key-admin.ts'
import type { TenantKeyOptions } from './tenant-keys.ts'

/** What only administrators do with keys; each act needs the permission to change the secret or the state. */
export interface KeyAdmin {
  /** Adds a generation; it is written with once every process had the time to see it. */
  readonly rotate: (name: SecretName) => Promise<Rotation>
  /** Throws `KEY_IN_USE` where processes may still make things with the generation, `NOT_FOUND` where there is none. */
  readonly checkIdle: (name: SecretName, id: string) => Promise<void>
  /** Destroys a generation after the same check. Whether anything still needs it is the caller's to know. */
  readonly retire: (name: SecretName, id: string) => Promise<void>
  readonly tenants: TenantKeyAdmin
}

/** Administration of secrets and tenant keys. */
export function createKeyAdmin(options: RotateOptions & TenantKeyOptions): KeyAdmin {
  return {
    rotate: async name => await rotateSecret(options, name),
    checkIdle: async (name, id) => await checkIdle(options, name, id),
    retire: async (name, id) => await retireGeneration(options, name, id),
    tenants: createTenantKeyAdmin(options),
  }
}
