import { isUtf8 } from 'node:buffer'
import type { Slice } from '../format/numbers.ts'
import { quote } from '../format/scan.ts'

/** Text of one column of one row group: values as they first came, and which of them each row has. */
export interface TextValues {
  /** For each row the number of its value, or -1 for NULL. */
  readonly ids: Int32Array
  /** The values as PLAIN encodes them, each after its length in four bytes. */
  arena: Buffer
  /** Where in the arena values begin, the length included; after the last, where it ends. */
  readonly starts: Int32Array
  /** How many values there are: each once, unless there are very many. */
  count: number
  /** How many rows have one. */
  present: number
  /** Numbers of values + 1 by the hash of their bytes. */
  slots: Int32Array
  /** The value that came last, if JSON has it without escapes: often the next is the same. */
  last: number
}

const lengthBytes = 4
const maxSlots = 8192
/** Above as many values nothing is looked for: such a column gets no dictionary. */
const maxLookedFor = maxSlots / 2
/** Values whose hashes fall together, as hostile ones may, are looked for no further. */
const maxProbes = 32
const backslash = 0x5c
const letterN = 0x6e
const noSlots = new Int32Array(0)

export function createTextValues(rows: number): TextValues {
  return {
    ids: new Int32Array(rows).fill(-1),
    arena: Buffer.alloc(0),
    starts: new Int32Array(rows + 1),
    count: 0,
    present: 0,
    slots: noSlots,
    last: -1,
  }
}

const hashStart = 0x811c9dc5
const hashFactor = 0x01000193

function settled(hash: number): number {
  return (hash ^ (hash >>> 15)) & 0x7fffffff
}

/** FNV-1a of text as it stands; -1 where an escape or a sign outside ASCII wants care. */
function hashOf({ bytes, start, end }: Slice): number {
  let hash = hashStart
  let all = 0
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte === backslash) return -1
    all |= byte
    hash = Math.imul(hash ^ byte, hashFactor)
  }
  return all < 0x80 ? settled(hash) : -1
}

function hashOfAny(bytes: Uint8Array): number {
  let hash = hashStart
  for (const byte of bytes) hash = Math.imul(hash ^ byte, hashFactor)
  return settled(hash)
}

function isValue({ arena, starts }: TextValues, id: number, { bytes, start, end }: Slice): boolean {
  let other = (starts[id] ?? 0) + lengthBytes
  if ((starts[id + 1] ?? 0) - other !== end - start) return false
  for (let at = start; at < end; at++, other++) if (bytes[at] !== arena[other]) return false
  return true
}

function reserve(values: TextValues, used: number, more: number): void {
  if (used + more <= values.arena.length) return
  const grown = Buffer.allocUnsafe(Math.max(256, 2 * (used + more)))
  values.arena.copy(grown, 0, 0, used)
  values.arena = grown
}

function append(values: TextValues, { bytes, start, end }: Slice): number {
  const { count, starts } = values
  const from = starts[count] ?? 0
  const length = end - start
  reserve(values, from, lengthBytes + length)
  const { arena } = values
  arena.writeUInt32LE(length, from)
  let to = from + lengthBytes
  for (let at = start; at < end; at++, to++) arena[to] = bytes[at] ?? 0
  starts[count + 1] = to
  values.count += 1
  return count
}

function slotsFor(rows: number): Int32Array {
  let slots = 16
  while (slots < 2 * rows && slots < maxSlots) slots *= 2
  return new Int32Array(slots)
}

function idOf(values: TextValues, slice: Slice, hash: number): number {
  if (values.count >= maxLookedFor) return append(values, slice)
  if (values.slots === noSlots) values.slots = slotsFor(values.ids.length)
  const { slots } = values
  for (let probe = 0; probe < maxProbes; probe++) {
    const slot = (hash + probe) & (slots.length - 1)
    const known = (slots[slot] ?? 0) - 1
    if (known === -1) {
      slots[slot] = values.count + 1
      return append(values, slice)
    }
    if (isValue(values, known, slice)) return known
  }
  return append(values, slice)
}

function put(values: TextValues, row: number, id: number): void {
  values.ids[row] = id
  values.last = -1
  values.present += 1
}

/** Every value once, as a reader gets it. */
export function distinctTexts({ arena, starts, count }: TextValues): ReadonlySet<string> {
  const texts = new Set<string>()
  for (let id = 0; id < count; id++)
    texts.add(arena.toString('utf8', (starts[id] ?? 0) + lengthBytes, starts[id + 1]))
  return texts
}

/** Sets the value of a row. */
export function addText(values: TextValues, row: number, text: Buffer): void {
  const hash = hashOfAny(text)
  put(values, row, idOf(values, { bytes: text, start: 0, end: text.length }, hash))
}

/** What a string of JSON says; `undefined` where it is none. */
function unescaped(json: Buffer): Buffer | undefined {
  try {
    const text: unknown = JSON.parse(json.toString())
    return typeof text === 'string' ? Buffer.from(text) : undefined
  } catch {
    return undefined
  }
}

function addWithCare(values: TextValues, row: number, { bytes, start, end }: Slice): void {
  const json = bytes.subarray(start, end)
  // Engines refuse a whole file for one text that is none.
  if (!isUtf8(json)) return
  const text = json[0] === quote ? unescaped(json) : json
  if (text !== undefined) addText(values, row, text)
}

/** Sets the value of a row to what JSON says: what is in a string, or whatever else stands there; NULL for `null`. */
export function addJson(values: TextValues, row: number, slice: Slice): void {
  const { bytes, start, end } = slice
  if (bytes[start] === letterN || end <= start) return
  if (bytes[start] !== quote) {
    addWithCare(values, row, slice)
    return
  }
  if (end - start < 2 || bytes[end - 1] !== quote) return
  const inner = { bytes, start: start + 1, end: end - 1 }
  if (values.last === -1 || !isValue(values, values.last, inner)) {
    const hash = hashOf(inner)
    if (hash === -1) {
      addWithCare(values, row, slice)
      return
    }
    values.last = idOf(values, inner, hash)
  }
  values.ids[row] = values.last
  values.present += 1
}
