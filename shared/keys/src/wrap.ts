import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'

const cipherName = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16
const keyBytes = 32
const wrappedBytes = nonceBytes + keyBytes + tagBytes

/** What a wrapped key is bound to: unambiguous whatever the parts contain. */
export type Binding = readonly [purpose: string, ...parts: readonly string[]]

function aadOf(binding: Binding): Uint8Array {
  return Buffer.from(JSON.stringify(binding))
}

/** Encrypts a key under another (AES-256-GCM, random nonce): base64url of `nonce ‖ ciphertext ‖ tag`. */
export function wrapKey(
  wrapping: KeyObject,
  key: KeyObject,
  { binding, nonce }: { readonly binding: Binding; readonly nonce: Uint8Array },
): string {
  const cipher = createCipheriv(cipherName, wrapping, nonce, { authTagLength: tagBytes })
  cipher.setAAD(aadOf(binding))
  const body = cipher.update(key.export())
  return Buffer.concat([nonce, body, cipher.final(), cipher.getAuthTag()]).toString('base64url')
}

/** The key again; `undefined` where it, its binding or the wrapping key is another. */
export function unwrapKey(wrapping: KeyObject, wrapped: string, binding: Binding): KeyObject | undefined {
  const bytes = Buffer.from(wrapped, 'base64url')
  if (bytes.length !== wrappedBytes || bytes.toString('base64url') !== wrapped) return undefined
  const nonce = bytes.subarray(0, nonceBytes)
  const decipher = createDecipheriv(cipherName, wrapping, nonce, { authTagLength: tagBytes })
  decipher.setAAD(aadOf(binding))
  decipher.setAuthTag(bytes.subarray(-tagBytes))
  const key = decipher.update(bytes.subarray(nonceBytes, -tagBytes))
  try {
    decipher.final()
    return createSecretKey(key)
  } catch {
    return undefined
  } finally {
    key.fill(0)
  }
}

/** Bytes of a wrapping nonce. */
export const wrapNonceBytes = nonceBytes
