/** The hybrid of run-length and bit-packed encoding: https://parquet.apache.org/docs/file-format/data-pages/encodings/ */

function varint(value: number): readonly number[] {
  const out: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.push((rest & 0x7f) | 0x80)
  return [...out, rest]
}

function repeated(value: number, count: number, bitWidth: number): Buffer {
  const bytes = Array.from({ length: Math.ceil(bitWidth / 8) }, (_, at) => (value >> (8 * at)) & 0xff)
  return Buffer.from([...varint(count * 2), ...bytes])
}

function packed(values: Int32Array, bitWidth: number): Buffer {
  const groups = Math.ceil(values.length / 8)
  const head = varint(groups * 2 + 1)
  const out = Buffer.alloc(head.length + groups * bitWidth)
  out.set(head)
  let at = head.length
  let waiting = 0
  let bits = 0
  for (const value of values) {
    waiting |= value << bits
    bits += bitWidth
    for (; bits >= 8; bits -= 8) {
      out[at++] = waiting & 0xff
      waiting >>>= 8
    }
  }
  if (bits > 0) out[at] = waiting & 0xff
  return out
}

/** Bits that numbers up to `max` need; one at least, since not every reader knows what none means. */
export function bitWidthOf(max: number): number {
  return Math.max(1, 32 - Math.clz32(max))
}

/** Values of up to 24 bits each: one run where all are the same, else packed. */
export function hybrid(values: Int32Array, bitWidth: number): Buffer {
  const [first = 0] = values
  return values.every(value => value === first)
    ? repeated(first, values.length, bitWidth)
    : packed(values, bitWidth)
}

/** Definition levels of an optional column, with their length before them: 1 where a row has a value. */
export function levels(rows: number, present: number, isPresent: (row: number) => boolean): Buffer {
  const isUniform = present === rows || present === 0
  const body = isUniform
    ? repeated(present === 0 ? 0 : 1, rows, 1)
    : packed(
        Int32Array.from({ length: rows }, (_, row) => (isPresent(row) ? 1 : 0)),
        1,
      )
  const head = Buffer.alloc(4)
  head.writeUInt32LE(body.length)
  return Buffer.concat([head, body])
}
