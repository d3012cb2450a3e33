import type { KeyObject } from 'node:crypto'
import { damaged } from './damaged.ts'
import { encryptedMagic, fields, plainMagic } from './metadata.ts'
import { moduleType, openModule, type ModuleContext } from './modules.ts'
import { child, optionalBytes, parseThrift, type ThriftStruct } from './thrift.ts'

/** The clear part of an encrypted file's footer; nothing in it is authenticated yet. */
export interface SealedFooter {
  readonly fileId: Buffer
  readonly aadPrefix: Buffer
  readonly keyMetadata: Buffer | undefined
  readonly module: Buffer
}

/** Shortest file that can be encrypted Parquet. */
const minTailBytes = 12

/** Bytes from the start of the footer to the end of the file, read from the file's last bytes. */
export function footerBytesOf(tail: Buffer): number {
  const magicAt = tail.length - 4
  if (tail.length < minTailBytes) throw damaged('PARQUET_MALFORMED', 'file is too short for Parquet')
  const magic = tail.subarray(magicAt)
  if (magic.equals(plainMagic)) throw damaged('PME_PLAINTEXT_FOOTER', 'the footer is not encrypted')
  if (!magic.equals(encryptedMagic)) throw damaged('PARQUET_MALFORMED', 'no Parquet mark at the end')
  return tail.readUInt32LE(magicAt - 4) + 8
}

/** Splits the last `footerBytesOf` bytes of a file; the only parsing that happens before authentication. */
export function splitFooter(tail: Buffer): SealedFooter {
  const length = footerBytesOf(tail)
  if (length > tail.length) throw damaged('PARQUET_MALFORMED', 'footer is longer than the file')
  const footer = tail.subarray(tail.length - length, tail.length - 8)
  const crypto = parseThrift(footer)
  const algorithm = child(crypto.value, 1)
  if (!algorithm.has(1)) throw damaged('PME_ALGORITHM', 'only AES_GCM_V1 is supported')
  const gcm = child(algorithm, 1)
  const supplied = gcm.get(3)
  if (supplied?.type === 'bool' && supplied.value) {
    throw damaged('PME_AAD_PREFIX', 'the file wants an AAD prefix that is not stored in it')
  }
  const fileId = optionalBytes(gcm, 2)
  if (fileId === undefined) throw damaged('PARQUET_MALFORMED', 'the file has no identifier')
  return {
    fileId,
    aadPrefix: optionalBytes(gcm, 1) ?? Buffer.alloc(0),
    keyMetadata: optionalBytes(crypto.value, 2),
    module: footer.subarray(crypto.end),
  }
}

/** An authenticated footer and what is needed to open the modules it points at. */
export interface OpenFooter {
  readonly context: ModuleContext
  readonly metadata: ThriftStruct
}

/** Authenticates and parses a footer. */
export function openFooter(sealed: SealedFooter, key: KeyObject): OpenFooter {
  const context = { key, fileAad: Buffer.concat([sealed.aadPrefix, sealed.fileId]) }
  const plain = openModule(context, { type: moduleType.footer }, sealed.module)
  // Other writers may pad the structure, so bytes after it are allowed.
  return { context, metadata: parseThrift(plain).value }
}

/** Refuses a column whose key is not the footer's. */
export function assertFooterKey(chunk: ThriftStruct): void {
  const hasFooterKey = chunk.has(fields.chunk.crypto) && child(chunk, fields.chunk.crypto).has(1)
  if (!hasFooterKey || chunk.has(fields.chunk.encryptedMeta)) {
    throw damaged('PME_COLUMN_KEY', 'a column is not encrypted under the key of the footer')
  }
}
