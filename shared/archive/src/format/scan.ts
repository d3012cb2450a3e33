/**
 * Single fields of a JSON object, found without parsing the rest: records are large, only their frame is needed here,
 * and a scan costs half of a parse. Deeper in, the bytes need not even be JSON.
 */
export const quote = 0x22
export const comma = 0x2c
export const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
export const open = 0x7b
export const close = 0x7d

/** Index of the quote that ends the string whose quote is at `at`; the length of `bytes` where none does. */
export function stringEnd(bytes: Buffer, at: number): number {
  const { length } = bytes
  for (let index = at + 1; index < length; index++) {
    const byte = bytes[index]
    if (byte === quote) return index
    if (byte === backslash) index += 1
  }
  return length
}

/** Index of the comma or brace after the value at `at`; the length of `bytes` where there is none. */
export function valueEnd(bytes: Buffer, at: number): number {
  const { length } = bytes
  let depth = 0
  for (let index = at; index < length; index++) {
    const byte = bytes[index]
    if (byte === quote) index = stringEnd(bytes, index)
    else if (byte === open || byte === openBracket) depth += 1
    else if (byte === close || byte === closeBracket) depth -= 1
    if (depth < 0 || (depth === 0 && byte === comma)) return index
  }
  return length
}

function indexOfByte(bytes: Buffer, byte: number, from: number): number {
  let at = from
  while (at < bytes.length && bytes[at] !== byte) at += 1
  return at
}

/** Names to look for, with their bytes up to the closing quote. */
export type FieldNames = readonly { readonly name: string; readonly quoted: Buffer }[]

/** Prepares names once for many scans. */
export function fieldNames(...names: readonly string[]): FieldNames {
  return names.map(name => ({ name, quoted: Buffer.from(`${name}"`) }))
}

// A loop: for a few bytes the native comparison costs several times as much.
export function isAt(bytes: Buffer, at: number, wanted: Buffer): boolean {
  let index = 0
  while (index < wanted.length && bytes[at + index] === wanted[index]) index += 1
  return index === wanted.length
}

function nameAt(bytes: Buffer, start: number, names: FieldNames): string | undefined {
  for (const { name, quoted } of names) if (isAt(bytes, start, quoted)) return name
  return undefined
}

/** Calls `onField` with the place of every wanted field's value; whether there is an object at `from`, and it ends. */
function eachField(
  bytes: Buffer,
  scan: { readonly names: FieldNames; readonly from: number },
  onField: (name: string, start: number, end: number) => void,
): boolean {
  if (bytes[scan.from] !== open) return false
  for (let at = scan.from + 1; at < bytes.length;) {
    const start = indexOfByte(bytes, quote, at) + 1
    const end = stringEnd(bytes, start - 1)
    const value = indexOfByte(bytes, colon, end) + 1
    const next = valueEnd(bytes, value)
    const name = nameAt(bytes, start, scan.names)
    if (next === bytes.length) return false
    if (name !== undefined) onField(name, value, next)
    if (bytes[next] === close) return true
    at = next + 1
  }
  return false
}

/** Where a value stands, `end` excluded, with the white space around it. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Where the values of the wanted fields stand in the object that begins at `from`; none where that is not an object or does not end. */
export function scanSpans(bytes: Buffer, names: FieldNames, from = 0): readonly Span[] {
  const spans: Span[] = []
  return eachField(bytes, { names, from }, (_, start, end) => spans.push({ start, end })) ? spans : []
}
