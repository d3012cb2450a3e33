import { createHash, timingSafeEqual } from 'node:crypto'

/** How every key begins, so that people and secret scanners know one when they see it. */
const prefix = 'mun_'
const idBytes = 8
const secretBytes = 32
const saltBytes = 16
const form = /^mun_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/u

/** A key as its holder has it, in its two parts. */
interface ApiKeyParts {
  readonly id: string
  readonly secret: string
}

/** What is kept of a key: enough to know it again, nothing to make it from. */
export interface ApiKeyRecord {
  readonly id: string
  /** Who calls with it: the principal's id. */
  readonly name: string
  readonly tenant: string
  readonly scopes: readonly string[]
  /** base64url. */
  readonly salt: string
  /** base64url. */
  readonly hash: string
  readonly created_ms: number
  readonly expires_ms?: number
  readonly revoked_ms?: number
}

/** What a new key is for. */
export type ApiKeyGrant = Pick<ApiKeyRecord, 'name' | 'tenant' | 'scopes' | 'expires_ms'>

export function isApiKey(token: string): boolean {
  return token.startsWith(prefix)
}

export function parseApiKey(token: string): ApiKeyParts | undefined {
  const [, id, secret] = form.exec(token) ?? []
  return id === undefined || secret === undefined ? undefined : { id, secret }
}

/** The id in a key, or in a part of one that has it: a leaked key is often all that one has. `undefined` where there is none. */
export function apiKeyId(text: string): string | undefined {
  return /^(?:mun_)?([0-9a-f]{16})(?:_[A-Za-z0-9_-]*)?$/u.exec(text)?.[1]
}

/**
 * One SHA-256 over salt and secret. Slow hashes protect what people can remember, because that can be guessed; here 256 random bits
 * cannot be, at any speed, and a slow hash would hand every stranger a way to keep the server busy. The salt keeps equal secrets, and tables, apart.
 */
function hashOf(salt: string, { id, secret }: ApiKeyParts): Buffer {
  return createHash('sha256').update(`muniment-api-key/v1\0${salt}\0${id}\0${secret}`).digest()
}

/** A new key, which is shown once, and what is kept of it. */
export function makeApiKey(
  grant: ApiKeyGrant,
  { randomBytes, nowMs }: { readonly randomBytes: (size: number) => Uint8Array; readonly nowMs: number },
): { readonly key: string; readonly record: ApiKeyRecord } {
  const id = Buffer.from(randomBytes(idBytes)).toString('hex')
  const secret = Buffer.from(randomBytes(secretBytes)).toString('base64url')
  const salt = Buffer.from(randomBytes(saltBytes)).toString('base64url')
  const hash = hashOf(salt, { id, secret }).toString('base64url')
  return {
    key: `${prefix}${id}_${secret}`,
    record: { ...grant, id, salt, hash, created_ms: nowMs },
  }
}

/** No secret has this hash. Who names an unknown id is compared with it, in the form in which others are kept, so that the answer takes the same path and time as for a wrong secret. */
const nobody = {
  salt: Buffer.alloc(saltBytes).toString('base64url'),
  hash: Buffer.alloc(32).toString('base64url'),
}

/** Whether a secret belongs to a record; `undefined` stands for an id that is not known. Takes the same time whatever differs. */
export function isSecretOf(record: ApiKeyRecord | undefined, parts: ApiKeyParts): boolean {
  const { salt, hash } = record ?? nobody
  const isEqual = timingSafeEqual(hashOf(salt, parts), Buffer.from(hash, 'base64url'))
  return isEqual && record !== undefined
}
