import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import { damaged } from './damaged.ts'

/**
 * Modules of Parquet Modular Encryption, AES_GCM_V1.
 * https://github.com/apache/parquet-format/blob/master/Encryption.md
 */
export const moduleType = {
  footer: 0,
  dataPage: 2,
  dictionaryPage: 3,
  dataPageHeader: 4,
  dictionaryPageHeader: 5,
} as const

/** Where a module stands: bound into its authentication tag, so that no module can stand in for another. */
export interface ModulePlace {
  readonly type: number
  readonly rowGroup?: number
  readonly column?: number
  /** Data pages only; the dictionary page does not count. */
  readonly page?: number
}

/** Places of a page's two modules; without `page` it is the dictionary page. */
export function pagePlaces(
  chunk: { readonly rowGroup: number; readonly column: number },
  page: number | undefined,
): { readonly header: ModulePlace; readonly body: ModulePlace } {
  const { rowGroup, column } = chunk
  if (page === undefined) {
    const { dictionaryPageHeader, dictionaryPage } = moduleType
    return {
      header: { type: dictionaryPageHeader, rowGroup, column },
      body: { type: dictionaryPage, rowGroup, column },
    }
  }
  return {
    header: { type: moduleType.dataPageHeader, rowGroup, column, page },
    body: { type: moduleType.dataPage, rowGroup, column, page },
  }
}

/** Key and file identity shared by all modules of one file. */
export interface ModuleContext {
  readonly key: KeyObject
  /** AAD prefix, if any, and the file's random identifier. */
  readonly fileAad: Buffer
}

/** Bytes a module is longer than what it encloses: length 4, nonce 12, tag 16. */
export const moduleOverheadBytes = 32

/** Length of a module's nonce. */
export const nonceBytes = 12
const tagBytes = 16
const maxOrdinal = 32_767

function cipherOf(key: KeyObject): 'aes-256-gcm' | 'aes-128-gcm' {
  return key.symmetricKeySize === 16 ? 'aes-128-gcm' : 'aes-256-gcm'
}

function aad(fileAad: Buffer, place: ModulePlace): Buffer {
  const ordinals = [place.rowGroup, place.column, place.page].filter(value => value !== undefined)
  const suffix = Buffer.alloc(1 + ordinals.length * 2)
  suffix.writeUInt8(place.type, 0)
  for (const [index, ordinal] of ordinals.entries()) {
    if (ordinal > maxOrdinal) throw damaged('PARQUET_PROFILE', `ordinal ${ordinal} is above ${maxOrdinal}`)
    suffix.writeInt16LE(ordinal, 1 + index * 2)
  }
  return Buffer.concat([fileAad, suffix])
}

/** What {@link sealModule} encloses, and under which nonce. */
export interface ModuleContent {
  readonly plain: Buffer
  /** 12 bytes, never used twice under one key. */
  readonly nonce: Buffer
}

/** The module for `content` at `place`, in parts that follow each other. */
export function sealModule(
  context: ModuleContext,
  place: ModulePlace,
  content: ModuleContent,
): readonly Buffer[] {
  const cipher = createCipheriv(cipherOf(context.key), context.key, content.nonce, {
    authTagLength: tagBytes,
  })
  cipher.setAAD(aad(context.fileAad, place))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(nonceBytes + content.plain.length + tagBytes)
  const body = cipher.update(content.plain)
  cipher.final()
  return [length, content.nonce, body, cipher.getAuthTag()]
}

/** Length in bytes of the module that starts at `at`, its length field included. */
export function moduleBytes(bytes: Buffer, at: number): number {
  if (at < 0 || at + 4 > bytes.length) throw damaged('PARQUET_MALFORMED', 'module ends too early')
  const length = bytes.readUInt32LE(at)
  if (length < nonceBytes + tagBytes || at + 4 + length > bytes.length) {
    throw damaged('PARQUET_MALFORMED', 'module is longer than its container')
  }
  return 4 + length
}

/** The content of the module at the start of `bytes`, authenticated for `place`. */
export function openModule(context: ModuleContext, place: ModulePlace, bytes: Buffer): Buffer {
  const end = moduleBytes(bytes, 0)
  const nonce = bytes.subarray(4, 4 + nonceBytes)
  const decipher = createDecipheriv(cipherOf(context.key), context.key, nonce, { authTagLength: tagBytes })
  decipher.setAAD(aad(context.fileAad, place))
  decipher.setAuthTag(bytes.subarray(end - tagBytes, end))
  const plain = decipher.update(bytes.subarray(4 + nonceBytes, end - tagBytes))
  try {
    decipher.final()
  } catch (error) {
    throw damaged('PME_AUTH', `module type ${place.type}: wrong key or altered bytes`, error)
  }
  return plain
}
