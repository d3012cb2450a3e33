import { zstdDecompressSync } from 'node:zlib'
import { damaged } from './damaged.ts'
import type { Chunk } from './layout.ts'
import { fields } from './metadata.ts'
import type { Page } from './pages.ts'
import { child, int } from './thrift.ts'

/**
 * Decoding of byte-string columns as our writer makes them: optional, PLAIN or dictionary, zstd or uncompressed.
 * Exists so that evidence can be checked and one event be shown without a query engine.
 */
const byteArray = 6
const codecs = { uncompressed: 0, zstd: 6 }
const encodings = { plain: 0, plainDictionary: 2, dictionary: 8 }
const maxPageBytes = 2 ** 30
/** As much is set aside for a page because its header says so; zlib takes no less than 64 bytes. */
const [minChunkBytes, maxChunkBytes] = [64, 2 ** 26]

function decompress(codec: number, page: Page): Buffer {
  const bytes = int(page.header, fields.page.bytes)
  if (bytes > maxPageBytes) throw damaged('PARQUET_PROFILE', `a page of ${bytes} bytes is too large`)
  if (codec === codecs.uncompressed) return page.body
  if (codec !== codecs.zstd) throw damaged('PARQUET_PROFILE', `compression ${codec} is not supported`)
  try {
    // One chunk with room to spare: by default a page is pieced together from 16 KiB at a time.
    const chunkSize = Math.min(Math.max(minChunkBytes, bytes + 1), maxChunkBytes)
    return zstdDecompressSync(page.body, { chunkSize, maxOutputLength: Math.max(1, bytes) })
  } catch (error) {
    throw damaged('PARQUET_MALFORMED', 'a page cannot be decompressed', error)
  }
}

interface Cursor {
  readonly bytes: Buffer
  at: number
}

function nextByte(cursor: Cursor): number {
  const value = cursor.bytes[cursor.at]
  if (value === undefined) throw damaged('PARQUET_MALFORMED', 'levels or indexes end too early')
  cursor.at += 1
  return value
}

function runHead(cursor: Cursor): number {
  let value = 0
  for (let scale = 1; scale < 2 ** 35; scale *= 128) {
    const part = nextByte(cursor)
    value += (part & 0x7f) * scale
    if (part < 0x80) return value
  }
  throw damaged('PARQUET_MALFORMED', 'a run is too long')
}

/** Bits `from` to `from + width` of `bytes`, least significant first. */
function bitsAt(bytes: Buffer, from: number, width: number): number {
  let value = 0
  for (let bit = 0; bit < width; bit++) {
    const position = from + bit
    const byte = bytes[position >> 3] ?? 0
    value += ((byte >> (position & 7)) & 1) * 2 ** bit
  }
  return value
}

interface Run {
  readonly bitWidth: number
  /** Values still to be filled; a run may be longer than what is left. */
  readonly target: Uint32Array
}

function unpack(cursor: Cursor, run: Run, groups: number): number {
  const total = Math.min(groups * 8, run.target.length)
  const start = cursor.at * 8
  for (let index = 0; index < total; index++) {
    run.target[index] = bitsAt(cursor.bytes, start + index * run.bitWidth, run.bitWidth)
  }
  cursor.at += groups * run.bitWidth
  if (cursor.at > cursor.bytes.length) throw damaged('PARQUET_MALFORMED', 'a packed run ends too early')
  return total
}

function repeat(cursor: Cursor, run: Run, length: number): number {
  let value = 0
  for (let index = 0; index * 8 < run.bitWidth; index++) value += nextByte(cursor) * 2 ** (8 * index)
  const total = Math.min(length, run.target.length)
  run.target.fill(value, 0, total)
  return total
}

/** `count` values of the hybrid of run-length and bit-packed encoding. */
function readHybrid(cursor: Cursor, bitWidth: number, count: number): Uint32Array {
  const values = new Uint32Array(count)
  for (let filled = 0; filled < count;) {
    const head = runHead(cursor)
    if (head < 2) throw damaged('PARQUET_MALFORMED', 'a run is empty')
    const run = { bitWidth, target: values.subarray(filled) }
    filled += head % 2 === 1 ? unpack(cursor, run, (head - 1) / 2) : repeat(cursor, run, head / 2)
  }
  return values
}

/** Values with a length before each; every value is a view whose preceding bytes are its length. */
function readPlain(bytes: Buffer, start: number, count: number): Buffer[] {
  const values: Buffer[] = []
  let at = start
  for (let index = 0; index < count; index++) {
    if (at + 4 > bytes.length) throw damaged('PARQUET_MALFORMED', 'a page has too few values')
    const end = at + 4 + bytes.readUInt32LE(at)
    if (end > bytes.length) throw damaged('PARQUET_MALFORMED', 'a value is longer than its page')
    values.push(bytes.subarray(at + 4, end))
    at = end
  }
  return values
}

/** Which rows of a page have a value, and where the values start. */
function readLevels(bytes: Buffer, rows: number): { present: Uint32Array; end: number } {
  if (bytes.length < 4) throw damaged('PARQUET_MALFORMED', 'a page has no levels')
  const end = 4 + bytes.readUInt32LE(0)
  if (end > bytes.length) throw damaged('PARQUET_MALFORMED', 'levels are longer than their page')
  return { present: readHybrid({ bytes: bytes.subarray(0, end), at: 4 }, 1, rows), end }
}

function countPresent(present: Uint32Array): number {
  let total = 0
  for (const value of present) total += value
  return total
}

function lookUp(dictionary: readonly Buffer[], indexes: Uint32Array): Buffer[] {
  return Array.from(indexes, index => {
    const value = dictionary[index]
    if (value === undefined) throw damaged('PARQUET_MALFORMED', 'an index lies outside its dictionary')
    return value
  })
}

function readIndexes(bytes: Buffer, start: number, total: number): Uint32Array {
  if (total === 0) return new Uint32Array(0)
  const bitWidth = bytes[start] ?? 0
  if (bitWidth > 32) throw damaged('PARQUET_MALFORMED', `indexes of ${bitWidth} bits`)
  return readHybrid({ bytes, at: start + 1 }, bitWidth, total)
}

/** Puts the values back to the rows that have one. */
function spread(present: Uint32Array, values: readonly Buffer[]): (Buffer | undefined)[] {
  let next = 0
  return Array.from(present, isPresent => (isPresent === 1 ? values[next++] : undefined))
}

function readDataPage(bytes: Buffer, page: Page, dictionary: readonly Buffer[]): (Buffer | undefined)[] {
  const header = child(page.header, fields.page.data)
  const rows = int(header, 1)
  const encoding = int(header, 2)
  const { present, end } = readLevels(bytes, rows)
  const total = countPresent(present)
  if (encoding === encodings.plain) {
    const values = readPlain(bytes, end, total)
    return total === rows ? values : spread(present, values)
  }
  if (encoding !== encodings.dictionary && encoding !== encodings.plainDictionary) {
    throw damaged('PARQUET_PROFILE', `encoding ${encoding} is not supported`)
  }
  return spread(present, lookUp(dictionary, readIndexes(bytes, end, total)))
}

function isDictionaryOnly(pages: readonly Page[]): boolean {
  return pages.every(({ isDictionary, header }) => {
    const encoding = isDictionary ? encodings.dictionary : int(child(header, fields.page.data), 2)
    return encoding === encodings.dictionary || encoding === encodings.plainDictionary
  })
}

/** Every value of a byte-string column in one row group, NULL left out; from the dictionary alone where there is one for all. */
export function distinctByteStrings(chunk: Chunk, pages: readonly Page[]): ReadonlySet<string> {
  const [first] = pages
  const isShort = first?.isDictionary === true && isDictionaryOnly(pages)
  const values = isShort ? readDictionary(chunk, first) : decodeByteStrings(chunk, pages)
  return new Set(values.flatMap(value => (value === undefined ? [] : [value.toString()])))
}

function readDictionary(chunk: Chunk, page: Page): readonly Buffer[] {
  const bytes = decompress(int(chunk.meta, fields.column.codec), page)
  return readPlain(bytes, 0, int(child(page.header, fields.page.dictionary), 1))
}

/** The values of a byte-string column in one row group, `undefined` for NULL. */
export function decodeByteStrings(chunk: Chunk, pages: readonly Page[]): readonly (Buffer | undefined)[] {
  if (int(chunk.meta, fields.column.type) !== byteArray) {
    throw damaged('PARQUET_PROFILE', 'the column does not hold byte strings')
  }
  const codec = int(chunk.meta, fields.column.codec)
  let dictionary: readonly Buffer[] = []
  const values: (Buffer | undefined)[][] = []
  for (const page of pages) {
    if (page.isDictionary) dictionary = readDictionary(chunk, page)
    else values.push(readDataPage(decompress(codec, page), page, dictionary))
  }
  return values.length === 1 ? (values[0] ?? []) : values.flat()
}
