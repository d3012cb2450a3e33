import { generateKeyPairSync } from 'node:crypto'

/** A key to seal to that nobody can open. */
export function newIngestKey(): string {
  const { x } = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' })
  return `bench.${String(x)}`
}
