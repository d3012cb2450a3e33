// The part of this package that runs inside observed servers: no state, no secrets, Node 20.
import { generateKeyPairSync } from 'node:crypto'
import { AppError } from '@muniment/schema/error'
import {
  hpkeSeal,
  keyBytes,
  sealOverheadBytes,
  x25519PublicKey,
  x25519Raw,
  type RawPublicKey,
} from './hpke.ts'

/** A public key to which batches are sealed, imported once, and the id under which the masker finds its private half. */
export interface IngestKey {
  readonly kid: string
  readonly publicKey: RawPublicKey
}

export { sealOverheadBytes }

const form = /^([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})$/u
const noInfo = new Uint8Array(0)

/** Reads `<kid>.<base64url of 32 bytes>`, white space around it ignored. Throws `CONFIG_INVALID` for anything else. */
export function parseIngestKey(text: string): IngestKey {
  const [, kid, encoded] = form.exec(text.trim()) ?? []
  const raw = encoded === undefined ? noInfo : Buffer.from(encoded, 'base64url')
  // Two texts may decode to the same bytes; only the canonical one is taken, so a key has one name.
  if (kid === undefined || raw.length !== keyBytes || raw.toString('base64url') !== encoded)
    throw new AppError('CONFIG_INVALID', 'The ingest key is not of the form <kid>.<base64url of 32 bytes>.', {
      hint: 'Copy the whole line that `muniment keys ingest` prints, or the file `ingest.pub` of the home folder.',
    })
  return { kid, publicKey: x25519PublicKey(raw) }
}

/**
 * Seals `plaintext` so that only the holder of the private key can read it and any change to it or to `aad` is noticed:
 * `enc ‖ ciphertext ‖ tag`, 48 bytes longer than the plaintext. HPKE base mode (RFC 9180), a fresh key per call, synchronous.
 */
export function sealBatch(key: IngestKey, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  const pair = generateKeyPairSync('x25519')
  const ephemeral = { key: pair.publicKey, raw: x25519Raw(pair.publicKey), privateKey: pair.privateKey }
  try {
    return hpkeSeal(key.publicKey, ephemeral, { info: noInfo, aad, body: plaintext })
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `Nothing can be sealed to the ingest key ${key.kid}.`, { cause })
  }
}
