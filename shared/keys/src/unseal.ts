import { AppError } from '@muniment/schema'
import { hpkeOpen, sealOverheadBytes, type RawKeyPair } from './hpke.ts'

/** A private key that opens batches, and its id. */
export interface IngestKeyPair extends RawKeyPair {
  readonly kid: string
}

const noInfo = new Uint8Array(0)

/** Opens what `sealBatch` sealed. Throws `BATCH_MALFORMED` where it is too short, `BATCH_UNREADABLE` where it was altered or is another's. */
export function openSealed(pair: IngestKeyPair, sealed: Uint8Array, aad: Uint8Array): Uint8Array {
  if (sealed.length < sealOverheadBytes)
    throw new AppError('BATCH_MALFORMED', `A sealed batch has ${sealed.length} bytes; the least is 48.`)
  try {
    return hpkeOpen(pair, { info: noInfo, aad, body: sealed })
  } catch (cause) {
    throw new AppError(
      'BATCH_UNREADABLE',
      `A sealed batch does not open with the ingest key ${pair.kid}: it, its headers or its lane were altered.`,
      { cause },
    )
  }
}
