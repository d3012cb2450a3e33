import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import type { Generation } from './generations.ts'

/** Keys of one generation of the secret `masking`; each is derived once and kept. */
export interface MaskingKeys {
  readonly generation: string
  /** Key of the HMAC-SHA-256 over original messages of a tenant. */
  readonly digestKey: (tenant: string) => KeyObject
  /** Key of the tokens for personal data of one type of a tenant. */
  readonly tokenKey: (tenant: string, type: string) => KeyObject
}

const keyBytes = 32
const maxCached = 10_000

/** Derives by HKDF-SHA256, bound to purpose, tenant and type. */
export function createMaskingKeys({ id, key }: Generation): MaskingKeys {
  const base = createSecretKey(key)
  const derived = new Map<string, KeyObject>()

  function derive(...info: readonly string[]): KeyObject {
    const name = JSON.stringify(info)
    const had = derived.get(name)
    if (had !== undefined) return had
    const made = createSecretKey(Buffer.from(hkdfSync('sha256', base, '', name, keyBytes)))
    // Tenant names come from senders: the memory for them is bounded.
    if (derived.size >= maxCached) derived.clear()
    derived.set(name, made)
    return made
  }

  return {
    generation: id,
    digestKey: tenant => derive('muniment/digest/v1', tenant),
    tokenKey: (tenant, type) => derive('muniment/token/v1', tenant, type),
  }
}

/** One-way functions over the normalised value of one kind, for one tenant, in hexadecimal. */
export interface KeyedFunctions {
  /** 128 bits: enough to join equal values. */
  readonly token: (kind: string, value: string, tenant: string) => string
  /** 256 bits. */
  readonly hash: (kind: string, value: string, tenant: string) => string
}

const tokenDigits = 32

/** HMAC-SHA-256 under a key of tenant and kind: who has only the token cannot try values, and tenants cannot be joined. */
export function keyedFunctions(keys: MaskingKeys): KeyedFunctions {
  const hmac = (tenant: string, type: string, value: string): string =>
    createHmac('sha256', keys.tokenKey(tenant, type)).update(value).digest('hex')
  return {
    token: (kind, value, tenant) => hmac(tenant, kind, value).slice(0, tokenDigits),
    hash: (kind, value, tenant) => hmac(tenant, `hash ${kind}`, value),
  }
}
