import * as zlib from 'node:zlib'
import type { TopicSpec } from '@muniment/schema'

/** The part of `node:zlib` that came with Node 22.15. */
interface Zstd {
  readonly zstdCompress: (data: Uint8Array, options: Options, done: Done) => void
  readonly zstdDecompress: (data: Uint8Array, options: Options, done: Done) => void
}

interface Options {
  readonly chunkSize: number
  readonly maxOutputLength?: number
}

type Done = (error: Error | null, result: Buffer) => void

/** A batch of records is at most about 1 MB on the wire; what unpacks to more than this is an attack. */
const maxUnpackedBytes = 64 * 1024 * 1024

/** The default of 16 KB costs a round trip through the thread pool for every piece of that size. */
const chunkSize = 1024 * 1024

function hasZstd(module: object): module is Zstd {
  return 'zstdCompress' in module && 'zstdDecompress' in module
}

/** Compression numbers of the Kafka protocol, which are also those of kafkajs. */
export const compressionTypes = { none: 0, gzip: 1, zstd: 4 } as const

export type Compression = keyof typeof compressionTypes

/** A codec as kafkajs wants it. */
export interface Codec {
  readonly compress: (encoder: { readonly buffer: Buffer }) => Promise<Buffer>
  readonly decompress: (data: Buffer) => Promise<Buffer>
}

function finished(start: (done: Done) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    start((error, result) => (error === null ? resolve(result) : reject(error)))
  })
}

/** The zstd codec, where this Node has one. */
export function zstdCodec(): Codec | undefined {
  const module: object = zlib
  if (!hasZstd(module)) return undefined
  return {
    compress: ({ buffer }) =>
      finished(done => module.zstdCompress(buffer, { chunkSize: buffer.byteLength + 1024 }, done)),
    decompress: data =>
      finished(done => module.zstdDecompress(data, { chunkSize, maxOutputLength: maxUnpackedBytes }, done)),
  }
}

/** Sealed batches are compressed already, and what interceptors read must be readable on Node 20. */
export function compressionOf(spec: TopicSpec | undefined): Compression {
  if (spec?.contentType !== 'application/json' || spec.readers.includes('interceptor')) return 'none'
  return hasZstd(zlib) ? 'zstd' : 'gzip'
}
