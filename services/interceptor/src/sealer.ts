import { parseIngestKey, sealBatch, sealOverheadBytes } from '@muniment/keys/seal'
import type { Sealer } from './batch.ts'

/** Reads an ingest key. Throws `CONFIG_INVALID` where it is none. */
export function sealerOf(text: string): Sealer {
  const key = parseIngestKey(text)
  return {
    kid: key.kid,
    keyText: text,
    overheadBytes: sealOverheadBytes,
    seal: (plaintext, aad) => sealBatch(key, plaintext, aad),
  }
}
