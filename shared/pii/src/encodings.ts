import { isAsciiAlnum, isHex } from './chars.ts'
import type { Source } from './source.ts'

/** A decoded stretch: its text, and for each unit where it came from; the last entry is the end. */
export interface Decoded {
  readonly text: string
  readonly from: Int32Array
}

interface Range {
  readonly start: number
  readonly end: number
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  commat: '@',
  period: '.',
  plus: '+',
  lowbar: '_',
  hyphen: '-',
  dash: '-',
  num: '#',
  colon: ':',
  sol: '/',
  lpar: '(',
  rpar: ')',
  comma: ',',
}

const ENTITY_MAX = 10

interface Unit {
  readonly size: number
  readonly text: string
}

const hexAt = (bytes: Uint8Array, i: number): number =>
  Number.parseInt(String.fromCharCode(bytes[i] ?? 0, bytes[i + 1] ?? 0), 16)

/** `%40`: one byte; bytes above ASCII stand for themselves, which is enough to find what is looked for. */
const percentAt = (bytes: Uint8Array, i: number): Unit | undefined => {
  if (!isHex(bytes[i + 1] ?? 0) || !isHex(bytes[i + 2] ?? 0)) return undefined
  return { size: 3, text: String.fromCharCode(hexAt(bytes, i + 1)) }
}

const codeText = (name: string): string | undefined => {
  const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10)
  return code > 0 && code < 0xd800 ? String.fromCharCode(code) : undefined
}

/** `&#64;`, `&#x40;`, `&commat;`. */
const entityAt = (bytes: Uint8Array, i: number): Unit | undefined => {
  let name = ''
  for (let k = i + 1; k < i + ENTITY_MAX; k++) {
    const c = bytes[k] ?? 0
    if (c === 59) {
      const text = name.startsWith('#') ? codeText(name) : ENTITIES[name]
      return text === undefined ? undefined : { size: name.length + 2, text }
    }
    if (!isAsciiAlnum(c) && c !== 35) return undefined
    name += String.fromCharCode(c)
  }
  return undefined
}

const unitAt = (bytes: Uint8Array, i: number): Unit | undefined => {
  const c = bytes[i] ?? 0
  if (c === 37) return percentAt(bytes, i)
  return c === 38 ? entityAt(bytes, i) : undefined
}

/** Where the units of the last decoded text came from; one table for all, as each is read before the next is made. */
let origins = new Int32Array(0)

/** Undoes percent and entity encoding; undefined when there is none. What is returned holds until the next call. */
export const decodeSigns = (source: Source, range: Range): Decoded | undefined => {
  const raw = source.text()
  if (origins.length <= range.end - range.start) origins = new Int32Array(2 * (range.end - range.start) + 64)
  const from = origins
  let text = ''
  let plain = range.start
  let hasUnit = false
  for (let i = range.start; i < range.end;) {
    const unit = unitAt(source.bytes, i)
    from[text.length + (i - plain)] = i
    if (unit === undefined || i + unit.size > range.end) {
      i++
      continue
    }
    hasUnit = true
    text += raw.slice(plain, i) + unit.text
    i += unit.size
    plain = i
  }
  text += raw.slice(plain, range.end)
  from[text.length] = range.end
  return hasUnit ? { text, from } : undefined
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const VALUES = new Int8Array(256).fill(-1)
for (let i = 0; i < 64; i++) VALUES[ALPHABET.charCodeAt(i)] = i
VALUES[45] = 62
VALUES[95] = 63

/** Signs of base64 that must give ASCII text; tokens shorter than this are not read. */
const PROBE = 16

const isText = (byte: number): boolean =>
  (byte >= 32 && byte < 127) || byte === 10 || byte === 13 || byte === 9

const PLAIN_BYTES = 16

/** The first bytes must be ASCII text, the later ones may be UTF-8. */
const mayFollow = (byte: number, size: number): boolean =>
  size < PLAIN_BYTES ? byte < 128 && isText(byte) : byte >= 0x80 || isText(byte)

/** Four signs of base64 at an offset as 24 bits, or -1 where one of them is none. */
const quantumAt = (bytes: Uint8Array, i: number): number => {
  const a = VALUES[bytes[i] ?? 0] ?? -1
  const b = VALUES[bytes[i + 1] ?? 0] ?? -1
  const c = VALUES[bytes[i + 2] ?? 0] ?? -1
  const d = VALUES[bytes[i + 3] ?? 0] ?? -1
  return (a | b | c | d) < 0 ? -1 : (a << 18) | (b << 12) | (c << 6) | d
}

const isPlain = (byte: number): boolean => byte < 128 && isText(byte)

/** Whether the first bytes are text: nearly every long token is sorted out here, before room is made for what it holds. */
const beginsAsText = (bytes: Uint8Array, start: number): boolean => {
  for (let i = start; i < start + PROBE; i += 4) {
    const bits = quantumAt(bytes, i)
    if (bits < 0 || !isPlain(bits >> 16) || !isPlain((bits >> 8) & 255) || !isPlain(bits & 255)) return false
  }
  return true
}

/** Bytes of base64 or base64url text; undefined as soon as they are no text. */
const bytesOf = (bytes: Uint8Array, range: Range): Uint8Array | undefined => {
  const out = new Uint8Array(((range.end - range.start) * 3) >> 2)
  let size = 0
  let bits = 0
  let held = 0
  for (let i = range.start; i < range.end; i++) {
    const value = VALUES[bytes[i] ?? 0] ?? -1
    if (value < 0) return undefined
    bits = ((bits << 6) | value) & 0xffff
    held += 6
    if (held < 8) continue
    held -= 8
    const byte = (bits >> held) & 255
    if (!mayFollow(byte, size)) return undefined
    out[size++] = byte
  }
  return out.subarray(0, size)
}

const decoder = new TextDecoder()

/** Text behind base64, or undefined when what comes out is no text. */
export const decodeBase64 = (source: Source, range: Range): string | undefined => {
  if (!beginsAsText(source.bytes, range.start)) return undefined
  let { end } = range
  while (end > range.start && source.bytes[end - 1] === 61) end--
  const bytes = bytesOf(source.bytes, { start: range.start, end })
  return bytes === undefined ? undefined : decoder.decode(bytes)
}
