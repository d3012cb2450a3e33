import { damaged } from './damaged.ts'

/**
 * Thrift compact protocol, as far as Parquet's metadata needs it: unknown fields are kept, so that what another
 * writer put there survives a rewrite. Everything that does not fit is refused, because the bytes may be hostile.
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */
export type ThriftField =
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'i8' | 'i16' | 'i32' | 'i64'; readonly value: number }
  | { readonly type: 'double' | 'binary'; readonly value: Buffer }
  | {
      readonly type: 'list'
      readonly of: number
      readonly value?: undefined
      readonly items: readonly ThriftField[]
    }
  | { readonly type: 'struct'; readonly value: ThriftStruct }

/** Field id → field. */
export type ThriftStruct = ReadonlyMap<number, ThriftField>

const wire = { true: 1, false: 2, i8: 3, i16: 4, i32: 5, i64: 6, double: 7, binary: 8, list: 9, struct: 12 }
const maxDepth = 16
const topBit = 0x80

interface Cursor {
  readonly bytes: Buffer
  at: number
}

function byte(cursor: Cursor): number {
  const value = cursor.bytes[cursor.at]
  if (value === undefined) throw damaged('PARQUET_MALFORMED', 'Thrift structure ends too early')
  cursor.at += 1
  return value
}

function varint(cursor: Cursor): number {
  let value = 0
  let scale = 1
  for (;;) {
    const part = byte(cursor)
    value += (part & 0x7f) * scale
    if (value > Number.MAX_SAFE_INTEGER) throw damaged('PARQUET_MALFORMED', 'Thrift integer is too large')
    if (part < topBit) return value
    scale *= topBit
    if (scale > 2 ** 56) throw damaged('PARQUET_MALFORMED', 'Thrift integer is too long')
  }
}

function zigzag(cursor: Cursor): number {
  const value = varint(cursor)
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

function take(cursor: Cursor, length: number): Buffer {
  if (length > cursor.bytes.length - cursor.at) {
    throw damaged('PARQUET_MALFORMED', 'Thrift value is longer than its container')
  }
  const value = cursor.bytes.subarray(cursor.at, cursor.at + length)
  cursor.at += length
  return value
}

function readList(cursor: Cursor, depth: number): ThriftField {
  const head = byte(cursor)
  const of = head & 0x0f
  const short = head >> 4
  const length = short === 15 ? varint(cursor) : short
  if (length > cursor.bytes.length - cursor.at) {
    throw damaged('PARQUET_MALFORMED', 'Thrift list is longer than its container')
  }
  const items: ThriftField[] = []
  for (let index = 0; index < length; index++) {
    // A boolean in a list is a byte of its own; as a field it lives in the type nibble.
    items.push(
      of === wire.true || of === wire.false
        ? { type: 'bool', value: byte(cursor) === wire.true }
        : readValue(cursor, of, depth),
    )
  }
  return { type: 'list', of, items }
}

type Reader = (cursor: Cursor, depth: number) => ThriftField

const readers: ReadonlyMap<number, Reader> = new Map<number, Reader>([
  [wire.true, () => ({ type: 'bool', value: true })],
  [wire.false, () => ({ type: 'bool', value: false })],
  [wire.i8, cursor => ({ type: 'i8', value: (byte(cursor) << 24) >> 24 })],
  [wire.i16, cursor => ({ type: 'i16', value: zigzag(cursor) })],
  [wire.i32, cursor => ({ type: 'i32', value: zigzag(cursor) })],
  [wire.i64, cursor => ({ type: 'i64', value: zigzag(cursor) })],
  [wire.double, cursor => ({ type: 'double', value: take(cursor, 8) })],
  [wire.binary, cursor => ({ type: 'binary', value: take(cursor, varint(cursor)) })],
  [wire.list, (cursor, depth) => readList(cursor, depth + 1)],
  [wire.struct, (cursor, depth) => ({ type: 'struct', value: readStruct(cursor, depth + 1) })],
])

function readValue(cursor: Cursor, type: number, depth: number): ThriftField {
  if (depth > maxDepth) throw damaged('PARQUET_MALFORMED', 'Thrift structure is too deep')
  const read = readers.get(type)
  if (read === undefined) throw damaged('PARQUET_MALFORMED', `Thrift type ${type} is not used by Parquet`)
  return read(cursor, depth)
}

function readStruct(cursor: Cursor, depth: number): ThriftStruct {
  const fields = new Map<number, ThriftField>()
  let id = 0
  for (;;) {
    const head = byte(cursor)
    if (head === 0) return fields
    const delta = head >> 4
    id = delta === 0 ? zigzag(cursor) : id + delta
    if (fields.has(id)) throw damaged('PARQUET_MALFORMED', `Thrift field ${id} stands twice`)
    fields.set(id, readValue(cursor, head & 0x0f, depth))
  }
}

/** Reads one structure from `start`; `end` is the first byte after it. */
export function parseThrift(
  bytes: Buffer,
  start = 0,
): { readonly value: ThriftStruct; readonly end: number } {
  const cursor = { bytes, at: start }
  const value = readStruct(cursor, 0)
  return { value, end: cursor.at }
}

function pushVarint(out: number[], value: number): void {
  let rest = value
  while (rest >= topBit) {
    out.push((rest % topBit) | topBit)
    rest = Math.floor(rest / topBit)
  }
  out.push(rest)
}

function pushZigzag(out: number[], value: number): void {
  pushVarint(out, value >= 0 ? value * 2 : -value * 2 - 1)
}

function pushBytes(out: number[], bytes: Buffer): void {
  for (const value of bytes) out.push(value)
}

function wireType(field: ThriftField): number {
  if (field.type === 'bool') return field.value ? wire.true : wire.false
  return wire[field.type]
}

function pushList(out: number[], list: ThriftField & { readonly type: 'list' }): void {
  const { length } = list.items
  out.push((Math.min(length, 15) << 4) | list.of)
  if (length >= 15) pushVarint(out, length)
  for (const item of list.items) {
    if (item.type === 'bool') out.push(item.value ? wire.true : wire.false)
    else pushValue(out, item)
  }
}

function pushValue(out: number[], field: ThriftField): void {
  switch (field.type) {
    case 'bool':
      return
    case 'i8':
      out.push(field.value & 0xff)
      return
    case 'i16':
    case 'i32':
    case 'i64':
      pushZigzag(out, field.value)
      return
    case 'double':
      pushBytes(out, field.value)
      return
    case 'binary':
      pushVarint(out, field.value.length)
      pushBytes(out, field.value)
      return
    case 'list':
      pushList(out, field)
      return
    case 'struct':
      pushStruct(out, field.value)
  }
}

function inOrder(struct: ThriftStruct): Iterable<readonly [number, ThriftField]> {
  let last = -Infinity
  for (const id of struct.keys()) {
    if (id < last) return [...struct].toSorted(([a], [b]) => a - b)
    last = id
  }
  return struct
}

function pushStruct(out: number[], struct: ThriftStruct): void {
  let last = 0
  for (const [id, field] of inOrder(struct)) {
    const delta = id - last
    if (delta >= 1 && delta <= 15) out.push((delta << 4) | wireType(field))
    else {
      out.push(wireType(field))
      pushZigzag(out, id)
    }
    pushValue(out, field)
    last = id
  }
  out.push(0)
}

/** Writes a structure, fields in the order of their ids. */
export function serializeThrift(struct: ThriftStruct): Buffer {
  const out: number[] = []
  pushStruct(out, struct)
  return Buffer.from(out)
}

/** `struct` with some fields replaced, or removed where the new value is `undefined`. */
export function withFields(
  struct: ThriftStruct,
  changes: Readonly<Record<number, ThriftField | undefined>>,
): ThriftStruct {
  const next = new Map(struct)
  for (const [id, field] of Object.entries(changes)) {
    if (field === undefined) next.delete(Number(id))
    else next.set(Number(id), field)
  }
  return next
}

/** The integer in field `id`, if there is one. */
export function optionalInt(struct: ThriftStruct, id: number): number | undefined {
  const field = struct.get(id)
  if (field === undefined) return undefined
  if (typeof field.value === 'number') return field.value
  throw damaged('PARQUET_MALFORMED', `Thrift field ${id} is not an integer`)
}

/** The integer in field `id`. */
export function int(struct: ThriftStruct, id: number): number {
  const value = optionalInt(struct, id)
  if (value === undefined) throw damaged('PARQUET_MALFORMED', `Thrift field ${id} is missing`)
  return value
}

/** The bytes in field `id`, if there are any. */
export function optionalBytes(struct: ThriftStruct, id: number): Buffer | undefined {
  const field = struct.get(id)
  if (field === undefined) return undefined
  if (field.type !== 'binary') throw damaged('PARQUET_MALFORMED', `Thrift field ${id} is not a byte string`)
  return field.value
}

/** The structure in field `id`. */
export function child(struct: ThriftStruct, id: number): ThriftStruct {
  const field = struct.get(id)
  if (field?.type !== 'struct') throw damaged('PARQUET_MALFORMED', `Thrift field ${id} is not a structure`)
  return field.value
}

/** The structures listed in field `id`. */
export function children(struct: ThriftStruct, id: number): readonly ThriftStruct[] {
  const field = struct.get(id)
  if (field?.type !== 'list') throw damaged('PARQUET_MALFORMED', `Thrift field ${id} is not a list`)
  return field.items.map(item => {
    if (item.type !== 'struct') {
      throw damaged('PARQUET_MALFORMED', `Thrift field ${id} is not a list of structures`)
    }
    return item.value
  })
}

/** A field that lists structures. */
export function structList(items: readonly ThriftStruct[]): ThriftField {
  return { type: 'list', of: wire.struct, items: items.map(value => ({ type: 'struct', value })) }
}
