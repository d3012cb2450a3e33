import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { x25519PrivateKey, x25519Raw } from '../src/hpke.ts'
import { parseIngestKey, type IngestKey } from '../src/seal.ts'
import type { IngestKeyPair } from '../src/unseal.ts'

/** Both halves of an ingest key, as the two sides hold them. */
export interface Pair {
  readonly sender: IngestKey
  readonly recipient: IngestKeyPair
}

/** The pair of a raw private key, or of a fresh one. */
export function pairOf(kid: string, rawPrivate?: Uint8Array): Pair {
  const privateKey =
    rawPrivate === undefined ? generateKeyPairSync('x25519').privateKey : x25519PrivateKey(rawPrivate)
  const raw = x25519Raw(privateKey)
  const pem = privateKey.export({ format: 'der', type: 'pkcs8' })
  return {
    sender: parseIngestKey(`${kid}.${Buffer.from(raw).toString('base64url')}`),
    recipient: {
      kid,
      raw,
      key: createPublicKey(privateKey),
      privateKey: createPrivateKey({ key: pem, format: 'der', type: 'pkcs8' }),
    },
  }
}
