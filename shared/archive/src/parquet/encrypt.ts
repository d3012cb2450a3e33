import type { KeyObject } from 'node:crypto'
import { damaged } from './damaged.ts'
import { assertPageKind, chunkSpan, encryptedMagic, fields, maxOrdinals, plainMagic } from './metadata.ts'
import {
  moduleOverheadBytes,
  moduleType,
  nonceBytes,
  pagePlaces,
  sealModule,
  type ModuleContext,
  type ModulePlace,
} from './modules.ts'
import {
  child,
  children,
  int,
  parseThrift,
  serializeThrift,
  structList,
  withFields,
  type ThriftStruct,
} from './thrift.ts'

/** What one file is encrypted with. */
export interface EncryptOptions {
  /** 32 bytes, used for this file only. */
  readonly key: KeyObject
  /** Stored in the clear and not authenticated by the format: must carry its own authentication. */
  readonly keyMetadata: Buffer
  readonly randomBytes: (length: number) => Buffer
}

/** An encrypted Parquet file. */
export interface EncryptedFile {
  readonly bytes: Buffer
  /** Bytes from the start of the footer to the end of the file: what a reader fetches first. */
  readonly footerBytes: number
}

interface Sealer {
  readonly plain: Buffer
  readonly parts: Buffer[]
  readonly seal: (place: ModulePlace, plain: Buffer) => number
  offset: number
}

const noncesAtOnce = 64

/** Nonces from few requests for random bytes: one for each module costs as much as encrypting a small one. */
function createNonces(randomBytes: (length: number) => Buffer): () => Buffer {
  let pool: Buffer = Buffer.alloc(0)
  return () => {
    if (pool.length === 0) pool = randomBytes(noncesAtOnce * nonceBytes)
    const nonce = pool.subarray(0, nonceBytes)
    pool = pool.subarray(nonceBytes)
    return nonce
  }
}

function createSealer(
  plain: Buffer,
  context: ModuleContext,
  randomBytes: (length: number) => Buffer,
): Sealer {
  const nextNonce = createNonces(randomBytes)
  const sealer: Sealer = {
    plain,
    parts: [encryptedMagic],
    offset: encryptedMagic.length,
    seal(place, content) {
      sealer.parts.push(...sealModule(context, place, { plain: content, nonce: nextNonce() }))
      const length = content.length + moduleOverheadBytes
      sealer.offset += length
      return length
    },
  }
  return sealer
}

/** The footer of a plain Parquet file. */
function plainFooter(plain: Buffer): ThriftStruct {
  const end = plain.length - 8
  const isParquet =
    end >= 4 && plain.subarray(0, 4).equals(plainMagic) && plain.subarray(end + 4).equals(plainMagic)
  if (!isParquet) throw damaged('PARQUET_MALFORMED', 'not a plain Parquet file')
  const start = end - plain.readUInt32LE(end)
  if (start < 4) throw damaged('PARQUET_MALFORMED', 'footer is longer than the file')
  return parseThrift(plain.subarray(0, end), start).value
}

function assertProfile(chunk: ThriftStruct, meta: ThriftStruct): void {
  const { chunk: c, column } = fields
  if (c.indexes.some(id => chunk.has(id))) throw damaged('PARQUET_PROFILE', 'page indexes are not written')
  if (column.bloom.some(id => meta.has(id))) throw damaged('PARQUET_PROFILE', 'bloom filters are not written')
  if (chunk.has(c.path)) throw damaged('PARQUET_PROFILE', 'column chunks lie in the same file')
}

interface ChunkPlace {
  readonly rowGroup: number
  readonly column: number
}

/** Copies the page at `at`; returns where the next one starts. Without `page` it is the dictionary page. */
function sealPage(sealer: Sealer, at: number, place: ChunkPlace & { readonly page?: number }): number {
  const header = parseThrift(sealer.plain, at)
  assertPageKind(header.value, place.page === undefined)
  const bodyBytes = int(header.value, fields.page.compressedBytes)
  const encrypted = withFields(header.value, {
    [fields.page.compressedBytes]: { type: 'i32', value: bodyBytes + moduleOverheadBytes },
    [fields.page.crc]: undefined,
  })
  const modules = pagePlaces(place, place.page)
  sealer.seal(modules.header, serializeThrift(encrypted))
  const end = header.end + bodyBytes
  sealer.seal(modules.body, sealer.plain.subarray(header.end, end))
  return end
}

/** Copies the pages of one chunk, each header and body as a module; returns the offset of the first data page. */
function sealPages(sealer: Sealer, meta: ThriftStruct, place: ChunkPlace): number {
  const { start, end, hasDictionary } = chunkSpan(meta)
  let at = hasDictionary ? sealPage(sealer, start, place) : start
  const firstDataPage = sealer.offset
  for (let page = 0; at < end; page++) at = sealPage(sealer, at, { ...place, page })
  if (at !== end) throw damaged('PARQUET_MALFORMED', 'pages do not fill their column chunk')
  return firstDataPage
}

function sealChunk(sealer: Sealer, chunk: ThriftStruct, place: ChunkPlace): ThriftStruct {
  const meta = child(chunk, fields.chunk.meta)
  assertProfile(chunk, meta)
  const start = sealer.offset
  const dataPage = sealPages(sealer, meta, place)
  const { column } = fields
  const grown = sealer.offset - start - int(meta, column.compressedBytes)
  const newMeta = withFields(meta, {
    [column.bytes]: { type: 'i64', value: int(meta, column.bytes) + grown },
    [column.compressedBytes]: { type: 'i64', value: sealer.offset - start },
    [column.dataPage]: { type: 'i64', value: dataPage },
    [column.indexPage]: undefined,
    [column.dictionaryPage]: start === dataPage ? undefined : { type: 'i64', value: start },
  })
  const withFooterKey = new Map([[1, { type: 'struct' as const, value: new Map<number, never>() }]])
  return withFields(chunk, {
    [fields.chunk.offset]: { type: 'i64', value: start },
    [fields.chunk.meta]: { type: 'struct', value: newMeta },
    [fields.chunk.crypto]: { type: 'struct', value: withFooterKey },
  })
}

function sealRowGroup(sealer: Sealer, group: ThriftStruct, ordinal: number): ThriftStruct {
  const start = sealer.offset
  const chunks = children(group, fields.rowGroup.columns)
  const sealed = chunks.map((chunk, column) => sealChunk(sealer, chunk, { rowGroup: ordinal, column }))
  const bytes = sealed.map(chunk => int(child(chunk, fields.chunk.meta), fields.column.bytes))
  return withFields(group, {
    [fields.rowGroup.columns]: structList(sealed),
    [fields.rowGroup.bytes]: { type: 'i64', value: bytes.reduce((sum, value) => sum + value, 0) },
    [fields.rowGroup.offset]: { type: 'i64', value: start },
    [fields.rowGroup.compressedBytes]: { type: 'i64', value: sealer.offset - start },
    // parquet-java reads the ordinal, DuckDB does not write it.
    [fields.rowGroup.ordinal]: { type: 'i16', value: ordinal },
  })
}

function cryptoMetadata(fileId: Buffer, keyMetadata: Buffer): Buffer {
  const aesGcm = new Map([[2, { type: 'binary' as const, value: fileId }]])
  const algorithm = new Map([[1, { type: 'struct' as const, value: aesGcm }]])
  return serializeThrift(
    new Map([
      [1, { type: 'struct' as const, value: algorithm }],
      [2, { type: 'binary' as const, value: keyMetadata }],
    ]),
  )
}

/** Encrypts a plain Parquet file page by page, without re-encoding it. */
export function encryptParquet(plain: Buffer, options: EncryptOptions): EncryptedFile {
  if (options.key.symmetricKeySize !== 32) throw damaged('PARQUET_PROFILE', 'the data key must have 32 bytes')
  const footer = plainFooter(plain)
  const groups = children(footer, fields.file.rowGroups)
  if (groups.length > maxOrdinals) throw damaged('PARQUET_PROFILE', 'too many row groups')
  const fileId = options.randomBytes(8)
  const context = { key: options.key, fileAad: fileId }
  const sealer = createSealer(plain, context, options.randomBytes)
  const sealed = groups.map((group, ordinal) => sealRowGroup(sealer, group, ordinal))
  const newFooter = withFields(footer, {
    [fields.file.rowGroups]: structList(sealed),
    [fields.file.encryption]: undefined,
  })
  const start = sealer.offset
  const crypto = cryptoMetadata(fileId, options.keyMetadata)
  sealer.parts.push(crypto)
  const moduleLength = sealer.seal({ type: moduleType.footer }, serializeThrift(newFooter))
  const tail = Buffer.alloc(4)
  tail.writeUInt32LE(crypto.length + moduleLength)
  sealer.parts.push(tail, encryptedMagic)
  const bytes = Buffer.concat(sealer.parts)
  return { bytes, footerBytes: bytes.length - start }
}
