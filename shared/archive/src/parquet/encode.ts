import { bitWidthOf, hybrid, levels } from './hybrid.ts'
import type { TextValues } from './text-values.ts'

/** What a column holds, as files name it. */
export type Physical = 'flag' | 'whole' | 'real' | 'time' | 'text' | 'bytes'

/** Bounds of a chunk's values, as files hold them. */
interface EncodedBounds {
  readonly min: Buffer
  readonly max: Buffer
}

/** One page before compression. */
export interface PlainPage {
  readonly body: Buffer
  readonly values: number
}

/** One column of one row group before compression. */
export interface Encoded {
  readonly rows: number
  readonly nulls: number
  readonly dictionary?: PlainPage
  /** Each is good until the next one is asked for. */
  readonly pages: Iterable<PlainPage>
  /** Of all pages together. */
  readonly plainBytes: number
  readonly bounds?: EncodedBounds
}

const lengthBytes = 4
/** Longer bounds are left out: they would make the footer long that every reader fetches first. */
const maxBoundBytes = 256
/** A dictionary pays where a value comes as often on average. */
const dictionaryRepeats = 4
const wordBase = 2 ** 32

function valueAt({ arena, starts }: TextValues, id: number): Buffer {
  return arena.subarray((starts[id] ?? 0) + lengthBytes, starts[id + 1])
}

/** Where one value stands before another: negative where it comes first. A loop, since a native comparison costs several times as much. */
function order({ arena, starts }: TextValues, one: number, other: number): number {
  const [from, against] = [(starts[one] ?? 0) + lengthBytes, (starts[other] ?? 0) + lengthBytes]
  const [length, otherLength] = [(starts[one + 1] ?? 0) - from, (starts[other + 1] ?? 0) - against]
  const shared = Math.min(length, otherLength)
  let at = 0
  while (at < shared && arena[from + at] === arena[against + at]) at += 1
  return at === shared ? length - otherLength : (arena[from + at] ?? 0) - (arena[against + at] ?? 0)
}

function textBounds(values: TextValues): EncodedBounds | undefined {
  if (values.count === 0) return undefined
  let [first, last] = [0, 0]
  for (let id = 1; id < values.count; id++) {
    if (order(values, id, first) < 0) first = id
    else if (order(values, id, last) > 0) last = id
  }
  const [min, max] = [valueAt(values, first), valueAt(values, last)]
  return min.length > maxBoundBytes || max.length > maxBoundBytes ? undefined : { min, max }
}

function presentIds({ ids, present }: TextValues): Int32Array {
  return present === ids.length ? ids : ids.filter(id => id !== -1)
}

function plainText(values: TextValues, ids: Int32Array): Buffer {
  const { arena, starts, count, present } = values
  // Then every value stands once, in the order of its rows.
  if (count === present) return arena.subarray(0, starts[count])
  const parts = Array.from(ids, id => arena.subarray(starts[id], starts[id + 1]))
  return Buffer.concat(parts)
}

/** Encodes text: by numbers into a dictionary where values repeat. */
export function encodeText(values: TextValues): Encoded {
  const { ids, present, count } = values
  const rows = ids.length
  const head = levels(rows, present, row => ids[row] !== -1)
  const bounds = textBounds(values)
  const used = presentIds(values)
  const common = { rows, nulls: rows - present, ...(bounds !== undefined && { bounds }) }
  if (count === 0 || count * dictionaryRepeats > present) {
    const body = Buffer.concat([head, plainText(values, used)])
    return { ...common, plainBytes: body.length, pages: [{ body, values: rows }] }
  }
  const bitWidth = bitWidthOf(count - 1)
  const body = Buffer.concat([head, Buffer.of(bitWidth), hybrid(used, bitWidth)])
  const dictionary = { body: values.arena.subarray(0, values.starts[count]), values: count }
  const plainBytes = dictionary.body.length + body.length
  return { ...common, plainBytes, dictionary, pages: [{ body, values: rows }] }
}

function wholeBytes(values: Float64Array): Buffer {
  const words = new Int32Array(values.length * 2)
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? 0
    words[2 * index] = value
    words[2 * index + 1] = Math.floor(value / wordBase)
  }
  return Buffer.from(words.buffer)
}

function flagBytes(values: Float64Array): Buffer {
  const out = Buffer.alloc(Math.ceil(values.length / 8))
  for (let index = 0; index < values.length; index++) {
    if (values[index] === 1) out[index >> 3] = (out[index >> 3] ?? 0) | (1 << (index & 7))
  }
  return out
}

function numberBytes(values: Float64Array, physical: Physical): Buffer {
  if (physical === 'flag') return flagBytes(values)
  return physical === 'real'
    ? Buffer.from(values.buffer, values.byteOffset, values.byteLength)
    : wholeBytes(values)
}

function numberBounds(values: Float64Array, physical: Physical): EncodedBounds | undefined {
  if (values.length === 0) return undefined
  let min = Infinity
  let max = -Infinity
  for (const value of values) {
    if (value < min) min = value
    if (value > max) max = value
  }
  // Of the two zeros the outer ones, as the format asks for.
  const [low, high] = physical === 'real' ? [min === 0 ? -0 : min, max === 0 ? 0 : max] : [min, max]
  const encode = (value: number): Buffer => numberBytes(Float64Array.of(value), physical)
  return { min: encode(low), max: encode(high) }
}

/** The values without NULL. */
function presentNumbers(values: Float64Array): Float64Array {
  let present = 0
  for (let row = 0; row < values.length; row++) if (!Number.isNaN(values[row])) present += 1
  return present === values.length ? values : values.filter(value => !Number.isNaN(value))
}

/** Encodes numbers, of which NaN is NULL. */
export function encodeNumbers(values: Float64Array, physical: Physical): Encoded {
  const rows = values.length
  const used = presentNumbers(values)
  const head = levels(rows, used.length, row => !Number.isNaN(values[row]))
  const bounds = numberBounds(used, physical)
  const body = Buffer.concat([head, numberBytes(used, physical)])
  const common = { rows, nulls: rows - used.length, ...(bounds !== undefined && { bounds }) }
  return { ...common, plainBytes: body.length, pages: [{ body, values: rows }] }
}

/** As much is compressed at once, and unpacked at once by a reader, if no value is larger. */
const maxPageBytes = 2 ** 20

/** A page of values, written to `memory`, which has room for them. */
function bytesPage(values: readonly Uint8Array[], memory: Buffer): PlainPage {
  const head = levels(values.length, values.length, () => true)
  memory.set(head)
  let at = head.length
  for (const value of values) {
    memory.writeUInt32LE(value.length, at)
    memory.set(value, at + lengthBytes)
    at += lengthBytes + value.length
  }
  return { body: memory.subarray(0, at), values: values.length }
}

/** Levels of a page whose rows all have a value take no more. */
const maxLevelsBytes = 16

function* bytesPages(values: readonly Uint8Array[]): Generator<PlainPage> {
  // The same for all pages: the system would have to clear other memory first.
  let memory: Buffer = Buffer.alloc(0)
  let [first, size] = [0, maxLevelsBytes]
  const page = (end: number): PlainPage => {
    if (memory.length < size) memory = Buffer.allocUnsafeSlow(size)
    return bytesPage(values.slice(first, end), memory)
  }
  for (const [index, { length }] of values.entries()) {
    if (index > first && size + lengthBytes + length > maxPageBytes) {
      yield page(index)
      first = index
      size = maxLevelsBytes
    }
    size += lengthBytes + length
  }
  yield page(values.length)
}

/** Encodes bytes that differ from row to row: no bounds, which nobody would ask for. */
export function encodeBytes(values: readonly Uint8Array[]): Encoded {
  const plainBytes = values.reduce((sum, { length }) => sum + lengthBytes + length, 0)
  return { rows: values.length, nulls: 0, plainBytes, pages: bytesPages(values) }
}
