import { compress } from './compress.ts'
import { encodeBytes } from './encode.ts'
import type { Chunk } from './layout.ts'
import { fields } from './metadata.ts'
import type { Page } from './pages.ts'
import { codec, plainPageHeader } from './plain-file.ts'
import { withFields, type ThriftField } from './thrift.ts'

function i64(value: number): ThriftField {
  return { type: 'i64', value }
}

/** A chunk with other values in the place of its own: bytes, one for each row. */
export async function replaceBytes(
  chunk: Chunk,
  values: readonly Buffer[],
): Promise<{ readonly chunk: Chunk; readonly pages: readonly Page[] }> {
  const { pages, isZstd } = await compress(encodeBytes(values))
  const { column } = fields
  const meta = withFields(chunk.meta, {
    [column.codec]: { type: 'i32', value: isZstd ? codec.zstd : codec.none },
    [column.bytes]: i64(pages.reduce((sum, { plainBytes }) => sum + plainBytes, 0)),
    [column.compressedBytes]: i64(pages.reduce((sum, { bytes }) => sum + bytes.length, 0)),
    [column.statistics]: undefined,
  })
  const opened = pages.map(page => ({ header: plainPageHeader(page), body: page.bytes, isDictionary: false }))
  return { chunk: { ...chunk, meta, hasDictionary: false }, pages: opened }
}
