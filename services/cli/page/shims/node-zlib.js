// What the verifier takes of `node:zlib`, for browsers, whose own decompression knows no zstd and answers later.
import { decompress } from 'fzstd'

export function zstdDecompressSync(bytes, { maxOutputLength = Infinity } = {}) {
  const out = decompress(bytes)
  if (out.length > maxOutputLength) throw new RangeError('more bytes than were announced')
  return Buffer.from(out.buffer, out.byteOffset, out.length)
}
