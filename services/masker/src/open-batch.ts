import { gunzip, zstdDecompress } from 'node:zlib'
import { promisify } from 'node:util'
import { AppError, batchAad, decodeFrames, type BatchHeaders, type Frame } from '@muniment/schema'

/** Most bytes that one batch may decompress to: a bomb is refused, not unpacked. */
const maxPlainBytes = 64 * 1024 * 1024

/** One piece of a sealed batch, with the clear headers it came with. */
export interface SealedPart {
  readonly headers: BatchHeaders
  readonly sealed: Uint8Array
}

/** Opens what was sealed to the ingest key `kid`; rejects with `BATCH_UNREADABLE` where that key is not held or the bytes were altered. */
export type Unseal = (kid: string, sealed: Uint8Array, aad: Uint8Array) => Promise<Uint8Array>

const unpack = {
  zstd: promisify(zstdDecompress),
  gzip: promisify(gunzip),
} as const

/** Opens, joins and decompresses all parts of one batch and splits it into frames. Rejects with a `BATCH_…` code. */
export async function openBatch(parts: readonly SealedPart[], unseal: Unseal): Promise<readonly Frame[]> {
  const [first] = parts
  if (first === undefined) throw new AppError('BATCH_MALFORMED', 'A sealed batch has no part.')
  const opened: Uint8Array[] = []
  for (const { headers, sealed } of parts) opened.push(await unseal(headers.kid, sealed, batchAad(headers)))
  const packed = opened.length === 1 && opened[0] !== undefined ? opened[0] : Buffer.concat(opened)
  return [...decodeFrames(await decompress(first.headers.encoding, packed))]
}

async function decompress(encoding: 'zstd' | 'gzip', packed: Uint8Array): Promise<Uint8Array> {
  try {
    return await unpack[encoding](packed, { maxOutputLength: maxPlainBytes })
  } catch (cause) {
    throw new AppError(
      'BATCH_MALFORMED',
      `A batch is no ${encoding}, or unpacks to more than ${maxPlainBytes} bytes.`,
      { cause },
    )
  }
}
