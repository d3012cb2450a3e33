// Apart from the store, which needs a state and so a newer Node than the guard of an interceptor may.
import { createCipheriv, createDecipheriv, createHmac, type KeyObject } from 'node:crypto'
import type { SealPlace, VaultKeys } from '@muniment/pii'
import { createMaskingKeys, type MaskingKeys } from './masking.ts'

const cipherName = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16
const idDigits = 32

function placeText({ conversation, token, expiresMs }: SealPlace): Uint8Array {
  const { tenant, principal, conversation: name } = conversation
  return Buffer.from(JSON.stringify([tenant, principal, name, token, expiresMs]))
}

function seal(
  key: KeyObject,
  place: SealPlace,
  { value, nonce }: { value: string; nonce: Uint8Array },
): string {
  const cipher = createCipheriv(cipherName, key, nonce, { authTagLength: tagBytes })
  cipher.setAAD(placeText(place))
  return Buffer.concat([nonce, cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
    'base64url',
  )
}

function open(key: KeyObject, place: SealPlace, sealed: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64url')
  if (bytes.length < nonceBytes + tagBytes) return undefined
  const decipher = createDecipheriv(cipherName, key, bytes.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  })
  decipher.setAAD(placeText(place))
  decipher.setAuthTag(bytes.subarray(-tagBytes))
  const body = decipher.update(bytes.subarray(nonceBytes, -tagBytes))
  try {
    return Buffer.concat([body, decipher.final()]).toString()
  } catch {
    return undefined
  }
}

/** The keyed functions of a round trip under one generation of `masking`: ids by HMAC-SHA-256, rows under AES-256-GCM, both per tenant. */
export function roundTripKeys(keys: MaskingKeys, randomBytes: (size: number) => Uint8Array): VaultKeys {
  return {
    idOf: ({ tenant, principal, conversation }, value) =>
      createHmac('sha256', keys.tokenKey(tenant, 'round trip'))
        .update(JSON.stringify([principal, conversation, value]))
        .digest('hex')
        .slice(0, idDigits),
    seal: (place, value) =>
      seal(keys.tokenKey(place.conversation.tenant, 'round trip rows'), place, {
        value,
        nonce: randomBytes(nonceBytes),
      }),
    open: (place, sealed) => open(keys.tokenKey(place.conversation.tenant, 'round trip rows'), place, sealed),
  }
}

/** The same under a key of one's own, for conversations that no other process knows. */
export function roundTripKeysUnder(key: Uint8Array, randomBytes: (size: number) => Uint8Array): VaultKeys {
  return roundTripKeys(createMaskingKeys({ id: 'own', activeFromMs: 0, key }), randomBytes)
}
