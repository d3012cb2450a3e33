import {
  batchAad,
  batchHeaders,
  encodeFrames,
  frameBytes,
  maxRecordBytes,
  type Frame,
} from '@muniment/schema/batch'

/** One record of `mcp.calls.raw`, ready to be published. */
export interface SealedRecord {
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly value: Uint8Array
}

/** How batches are made small and unreadable. */
export interface Packer {
  readonly encoding: 'zstd' | 'gzip'
  readonly compress: (bytes: Uint8Array) => Promise<Uint8Array>
  /** For the last moment of a process, when nothing asynchronous runs any more. */
  readonly compressSync: (bytes: Uint8Array) => Uint8Array
  /** The key that batches are sealed to now; `undefined` while there is none. */
  readonly sealer: () => Sealer | undefined
  /** Does on another thread what is large, and takes the bytes for itself; `undefined` where it cannot. */
  readonly packElsewhere?: (batch: PlainBatch, sealer: Sealer) => Promise<readonly SealedRecord[] | undefined>
}

/** Numbers that a batch of a lane covers. */
export interface BatchRange {
  readonly lane: string
  readonly firstSeq: number
  readonly lastSeq: number
}

/** A batch before compression. */
export interface PlainBatch extends BatchRange {
  readonly plain: Uint8Array
}

/** Encrypts to one public key. */
export interface Sealer {
  readonly kid: string
  /** The public key as it was given, for another thread. */
  readonly keyText?: string
  readonly seal: (plaintext: Uint8Array, aad: Uint8Array) => Uint8Array
  /** Bytes that sealing adds. */
  readonly overheadBytes: number
}

/** Frames that travel together, and the numbers they cover. */
export interface Parcel extends BatchRange {
  readonly frames: readonly Frame[]
}

/** A frame and the numbers it covers: more than one where it stands for a gap. */
export interface NumberedFrame {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly frame: Frame
}

/** Plain bytes of one batch; compressed they stay below the record limit even where nothing can be compressed. */
export const maxPlainBytes = 512 * 1024

/** Splits frames into batches; a frame that is larger than a batch travels alone. */
export function parcels(lane: string, numbered: readonly NumberedFrame[]): Parcel[] {
  const out: Parcel[] = []
  let open: NumberedFrame[] = []
  let bytes = 0
  const close = (): void => {
    const [first, last] = [open[0], open.at(-1)]
    if (first !== undefined && last !== undefined) {
      // Of a heartbeat alone, which takes no number, the one that it repeats.
      const firstSeq = Math.min(first.firstSeq, last.lastSeq)
      out.push({ lane, firstSeq, lastSeq: last.lastSeq, frames: open.map(one => one.frame) })
    }
    open = []
    bytes = 0
  }
  for (const one of numbered) {
    const size = frameBytes(one.frame)
    if (bytes + size > maxPlainBytes) close()
    open.push(one)
    bytes += size
  }
  close()
  return out
}

function pieces(bytes: Uint8Array, maxBytes: number): Uint8Array[] {
  const out: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += maxBytes) out.push(bytes.subarray(at, at + maxBytes))
  return out
}

/** Seals what was compressed, as few records as it fits into. */
export function sealCompressed(
  { lane, firstSeq, lastSeq }: BatchRange,
  compressed: Uint8Array,
  { sealer, encoding }: { readonly encoding: 'zstd' | 'gzip'; readonly sealer: Sealer },
): SealedRecord[] {
  const parts = pieces(compressed, maxRecordBytes - sealer.overheadBytes)
  return parts.map((piece, index) => {
    const headers = {
      lane,
      firstSeq,
      lastSeq,
      kid: sealer.kid,
      encoding,
      part: index + 1,
      parts: parts.length,
    }
    return { key: lane, headers: batchHeaders(headers), value: sealer.seal(piece, batchAad(headers)) }
  })
}

/** What is this small costs less on the thread itself than handing it to another one and waking it. */
const smallBytes = 32 * 1024

/** Compresses and seals one batch into records; what takes long to compress does so off the thread. */
export async function pack(parcel: Parcel, packer: Packer, sealer: Sealer): Promise<readonly SealedRecord[]> {
  const { packElsewhere, encoding } = packer
  const plain = encodeFrames(parcel.frames)
  if (plain.length <= smallBytes)
    return sealCompressed(parcel, packer.compressSync(plain), { encoding, sealer })
  const { lane, firstSeq, lastSeq } = parcel
  const packed = await packElsewhere?.({ lane, firstSeq, lastSeq, plain }, sealer)
  if (packed !== undefined) return packed
  // The other thread may have taken the bytes.
  const again = plain.length === 0 ? encodeFrames(parcel.frames) : plain
  return sealCompressed(parcel, await packer.compress(again), { encoding, sealer })
}

/** The same at once, for a process that ends. */
export function packSync(parcel: Parcel, packer: Packer, sealer: Sealer): SealedRecord[] {
  const compressed = packer.compressSync(encodeFrames(parcel.frames))
  return sealCompressed(parcel, compressed, { encoding: packer.encoding, sealer })
}
