import { damaged } from './damaged.ts'
import { int, optionalInt, type ThriftStruct } from './thrift.ts'

/** Field ids of parquet.thrift. https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift */
export const fields = {
  file: { schema: 2, rowCount: 3, rowGroups: 4, encryption: 8, signingKey: 9 },
  schemaElement: { type: 1, repetition: 3, name: 4, children: 5 },
  rowGroup: { columns: 1, bytes: 2, rows: 3, sorting: 4, offset: 5, compressedBytes: 6, ordinal: 7 },
  chunk: { path: 1, offset: 2, meta: 3, indexes: [4, 5, 6, 7], crypto: 8, encryptedMeta: 9 },
  column: {
    type: 1,
    path: 3,
    codec: 4,
    values: 5,
    bytes: 6,
    compressedBytes: 7,
    dataPage: 9,
    indexPage: 10,
    dictionaryPage: 11,
    statistics: 12,
    bloom: [14, 15],
  },
  page: { type: 1, bytes: 2, compressedBytes: 3, crc: 4, data: 5, dictionary: 7 },
} as const

const pageType = { data: 0, index: 1, dictionary: 2, dataV2: 3 } as const

/** Names of the two kinds of Parquet file, at both ends of each. */
export const plainMagic = Buffer.from('PAR1')
export const encryptedMagic = Buffer.from('PARE')

/** More would not fit the 16-bit ordinals that bind each module to its place. */
export const maxOrdinals = 32_767

/** Where a column chunk's pages lie and whether the first is a dictionary. */
export interface ChunkSpan {
  readonly start: number
  readonly end: number
  readonly hasDictionary: boolean
}

/** The bytes a column chunk covers. Some writers put 0 for "no dictionary", DuckDB leaves the field out. */
export function chunkSpan(meta: ThriftStruct): ChunkSpan {
  const dataPage = int(meta, fields.column.dataPage)
  const dictionary = optionalInt(meta, fields.column.dictionaryPage) ?? 0
  const hasDictionary = dictionary > 0 && dictionary < dataPage
  const start = hasDictionary ? dictionary : dataPage
  const length = int(meta, fields.column.compressedBytes)
  if (start < 4 || length < 0) throw damaged('PARQUET_MALFORMED', 'column chunk lies outside the file')
  return { start, end: start + length, hasDictionary }
}

/** Refuses a page we neither write nor read: other engines disagree on how version 2 pages are encrypted. */
export function assertPageKind(header: ThriftStruct, isDictionary: boolean): void {
  const type = int(header, fields.page.type)
  if (type === pageType.dataV2) throw damaged('PARQUET_PROFILE', 'data page version 2 is not supported')
  if (type !== (isDictionary ? pageType.dictionary : pageType.data)) {
    throw damaged('PARQUET_MALFORMED', `page type ${type} is not expected here`)
  }
}
