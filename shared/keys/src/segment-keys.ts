import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { AppError } from '@muniment/schema'
import { unwrapKey, wrapKey, wrapNonceBytes, type Binding } from './wrap.ts'
import type { TenantKeys } from './tenant-keys.ts'

/** A key for one segment, and the form of it that may be stored beside what it encrypts. */
export interface DataKey {
  /** 32 bytes. */
  readonly key: KeyObject
  /** ASCII, about 110 characters; opens only for the same tenant and context. */
  readonly wrapped: string
  /** The tenant key that wraps it. */
  readonly generation: string
}

/** Keys for the archive: a fresh one per segment, wrapped by its tenant's key. */
export interface SegmentKeys {
  /** `context` is anything that says what the key is for, such as the object's name; the same is needed to open it. */
  readonly createDataKey: (tenant: string, context: string) => Promise<DataKey>
  /** The same for everybody while the tenant's key stays: for names and keys that follow from content. It goes with the tenant's key. */
  readonly contentKey: (tenant: string) => Promise<KeyObject>
  /** Rejects with `KEY_UNKNOWN` where the tenant's key was destroyed, `KEY_WRONG` where it is held but does not open, `ARCHIVE_DAMAGED` where key, tenant or context was altered. */
  readonly openDataKey: (tenant: string, context: string, wrapped: string) => Promise<KeyObject>
}

const keyBytes = 32
const mark = 'dk1'

function bindingOf(tenant: string, context: string, generation: string): Binding {
  return ['muniment/data-key/v1', tenant, context, generation]
}

function damaged(tenant: string, context: string): AppError {
  return new AppError(
    'ARCHIVE_DAMAGED',
    `The key for ${context.slice(0, 200)} of tenant ${tenant} does not open.`,
  )
}

/** Data keys, each wrapped as `dk1.<generation>.<base64url>`. */
export function createSegmentKeys(
  tenantKeys: TenantKeys,
  randomBytes: (size: number) => Uint8Array,
): SegmentKeys {
  return {
    async createDataKey(tenant, context) {
      const { generation, key: wrapping } = await tenantKeys.current(tenant)
      const key = createSecretKey(randomBytes(keyBytes))
      const binding = bindingOf(tenant, context, generation)
      const body = wrapKey(wrapping, key, { binding, nonce: randomBytes(wrapNonceBytes) })
      return { key, wrapped: `${mark}.${generation}.${body}`, generation }
    },
    async contentKey(tenant) {
      const { generation, key } = await tenantKeys.current(tenant)
      const info = JSON.stringify(['muniment/content-key/v1', tenant, generation])
      return createSecretKey(new Uint8Array(hkdfSync('sha256', key, '', info, keyBytes)))
    },
    async openDataKey(tenant, context, wrapped) {
      const [form, generation = '', body = '', ...more] = wrapped.split('.', 5)
      if (form !== mark || more.length > 0) throw damaged(tenant, context)
      const { key: wrapping } = await tenantKeys.find(tenant, generation)
      const key = unwrapKey(wrapping, body, bindingOf(tenant, context, generation))
      if (key === undefined) throw damaged(tenant, context)
      return key
    },
  }
}
