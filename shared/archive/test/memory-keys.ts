import { createCipheriv, createDecipheriv, createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { AppError } from '@muniment/schema'
import type { SegmentKeys } from '@muniment/keys'

/** Tenant keys in memory; `destroy` makes a tenant's segments unreadable for good. */
export interface MemoryKeys extends SegmentKeys {
  readonly destroy: (tenant: string) => void
  /** The same keys, of which some may be destroyed without touching the original. */
  readonly copy: () => MemoryKeys
}

type TenantKeys = Map<string, Buffer | 'destroyed'>

const generation = '1'

function bind(tenant: string, context: string): Buffer {
  return Buffer.from(`${tenant}|${context}|${generation}`)
}

export function createMemoryKeys(
  random: (size: number) => Buffer = randomBytes,
  tenantKeys: TenantKeys = new Map(),
): MemoryKeys {
  const keyOf = (tenant: string): Buffer => {
    const known = tenantKeys.get(tenant) ?? random(32)
    if (known === 'destroyed') throw new AppError('KEY_UNKNOWN', `the key of tenant ${tenant} is destroyed`)
    tenantKeys.set(tenant, known)
    return known
  }
  return {
    createDataKey(tenant, context) {
      const key = random(32)
      const nonce = random(12)
      const cipher = createCipheriv('aes-256-gcm', keyOf(tenant), nonce, { authTagLength: 16 })
      cipher.setAAD(bind(tenant, context))
      const sealed = Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()])
      return Promise.resolve({ key: createSecretKey(key), wrapped: sealed.toString('base64url'), generation })
    },
    // Async, so that a destroyed key is a rejection and not an exception.
    async contentKey(tenant) {
      const key = createHmac('sha256', keyOf(tenant)).update('content').digest()
      return await Promise.resolve(createSecretKey(key))
    },
    async openDataKey(tenant, context, wrapped) {
      const sealed = Buffer.from(wrapped, 'base64url')
      const decipher = createDecipheriv('aes-256-gcm', keyOf(tenant), sealed.subarray(0, 12), {
        authTagLength: 16,
      })
      decipher.setAAD(bind(tenant, context))
      decipher.setAuthTag(sealed.subarray(-16))
      try {
        const key = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
        return await Promise.resolve(createSecretKey(key))
      } catch (cause) {
        throw new AppError('ARCHIVE_DAMAGED', `the key of ${context} does not open`, { cause })
      }
    },
    destroy: tenant => tenantKeys.set(tenant, 'destroyed'),
    copy: () => createMemoryKeys(random, new Map(tenantKeys)),
  }
}
