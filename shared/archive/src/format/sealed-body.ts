import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { damaged } from '../parquet/damaged.ts'
import { bodyKey } from './paths.ts'

const magic = Buffer.from('MUNBODY1')
const cipherName = 'aes-256-gcm'
const tagBytes = 16
/** Each key encrypts one sequence of bytes only, so that the nonce need not vary. */
const nonce = Buffer.alloc(12)

/** A body as an object. */
export interface SealedBody {
  readonly object: string
  readonly bytes: Buffer
  /** What opens it, base64url. */
  readonly key: string
}

/** Where a body is kept, and how long. */
export interface BodyPlace {
  readonly tenant: string
  readonly sealedMs: number
  /** Keeps apart what is locked for different times: a body that is there already must be kept long enough. */
  readonly retention: string
}

/** Whether bytes may be such an object. */
export function isSealedBody(bytes: Buffer): boolean {
  return bytes.length > magic.length + tagBytes && bytes.subarray(0, magic.length).equals(magic)
}

/**
 * Compresses and encrypts a body under a name and a key that follow from its content and the tenant's content key: the same body gives the same
 * object. Both follow from the compressed bytes, so that another version of the compressor cannot make two messages under one key.
 */
export function sealBody(body: Uint8Array, contentKey: KeyObject, place: BodyPlace): SealedBody {
  const { tenant, sealedMs, retention } = place
  const compressed = zstdCompressSync(body)
  const digest = createHmac('sha256', contentKey)
    .update(`name\n${retention}\n`)
    .update(compressed)
    .digest('hex')
  const object = bodyKey(tenant, sealedMs, digest)
  const key = createHmac('sha256', contentKey).update(`key\n${object}`).digest()
  const cipher = createCipheriv(cipherName, key, nonce, { authTagLength: tagBytes })
  cipher.setAAD(Buffer.from(object))
  const bytes = Buffer.concat([magic, cipher.update(compressed), cipher.final(), cipher.getAuthTag()])
  return { object, bytes, key: key.toString('base64url') }
}

/** The body again, of exactly `sizeBytes`. Throws `ARCHIVE_DAMAGED` where the key, the name or the bytes are others. */
export function openBody({ object, bytes, key }: SealedBody, sizeBytes: number): Buffer {
  if (!isSealedBody(bytes)) throw damaged('BODY_UNRESOLVED', `${object} holds no body`)
  const secret = createSecretKey(Buffer.from(key, 'base64url'))
  const decipher = createDecipheriv(cipherName, secret, nonce, { authTagLength: tagBytes })
  decipher.setAAD(Buffer.from(object))
  decipher.setAuthTag(bytes.subarray(-tagBytes))
  try {
    const compressed = Buffer.concat([
      decipher.update(bytes.subarray(magic.length, -tagBytes)),
      decipher.final(),
    ])
    const body = zstdDecompressSync(compressed, { maxOutputLength: sizeBytes })
    if (body.length === sizeBytes) return body
  } catch {
    // Whatever of it is wrong, the answer is the same.
  }
  throw damaged('BODY_UNRESOLVED', `${object} does not open, or holds another body`)
}
