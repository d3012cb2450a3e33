import * as zlib from 'node:zlib'

/** Compression of the Node that runs here. */
export interface Compressor {
  readonly encoding: 'zstd' | 'gzip'
  readonly compress: (bytes: Uint8Array) => Promise<Uint8Array>
  readonly compressSync: (bytes: Uint8Array) => Uint8Array
}

type Done = (error: Error | null, out: Uint8Array) => void
type Compress = (bytes: Uint8Array, done: Done) => void

/** Told the size, zstd makes its tables no larger than it takes. */
interface Pledge {
  readonly pledgedSrcSize: number
}

// The types are those of Node 20, which has no zstd; its default level is the wanted 3.
const newer: {
  readonly zstdCompress?: (bytes: Uint8Array, pledge: Pledge, done: Done) => void
  readonly zstdCompressSync?: (bytes: Uint8Array, pledge: Pledge) => Uint8Array
} & Pick<typeof zlib, 'gzipSync'> = zlib

function promised(compress: Compress): Compressor['compress'] {
  return bytes =>
    new Promise((resolve, reject) =>
      compress(bytes, (error, out) => (error === null ? resolve(out) : reject(error))),
    )
}

const gzipLevel = { level: 1 } as const

/** zstd where Node has it (22.15 and later), else gzip: both at the level that costs least time per byte saved. */
export function createCompressor(): Compressor {
  const { zstdCompress, zstdCompressSync } = newer
  if (zstdCompress !== undefined && zstdCompressSync !== undefined)
    return {
      encoding: 'zstd',
      compress: promised((bytes, done) => zstdCompress(bytes, { pledgedSrcSize: bytes.length }, done)),
      compressSync: bytes => zstdCompressSync(bytes, { pledgedSrcSize: bytes.length }),
    }
  return {
    encoding: 'gzip',
    compress: promised((bytes, done) => zlib.gzip(bytes, gzipLevel, done)),
    compressSync: bytes => zlib.gzipSync(bytes, gzipLevel),
  }
}
