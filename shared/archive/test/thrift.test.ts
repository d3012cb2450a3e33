import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { splitFooter } from '../src/parquet/footer.ts'
import { parseThrift, serializeThrift, type ThriftField, type ThriftStruct } from '../src/parquet/thrift.ts'

// Zigzag takes one bit of the 53 that are exact.
const int = fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 52) + 1, max: 2 ** 52 - 1 }))
const bytes = fc.uint8Array({ maxLength: 20 }).map(value => Buffer.from(value))

const { struct } = fc.letrec<{ field: ThriftField; struct: ThriftStruct }>(tie => ({
  field: fc.oneof(
    { depthSize: 'small' },
    fc.record({ type: fc.constant('bool' as const), value: fc.boolean() }),
    fc.record({ type: fc.constantFrom('i16' as const, 'i32' as const, 'i64' as const), value: int }),
    fc.record({ type: fc.constant('i8' as const), value: fc.integer({ min: -128, max: 127 }) }),
    fc.record({ type: fc.constant('binary' as const), value: bytes }),
    fc.record({ type: fc.constant('struct' as const), value: tie('struct') }),
    fc
      .array(fc.record({ type: fc.constant('i32' as const), value: int }), { maxLength: 20 })
      .map((items): ThriftField => ({ type: 'list', of: 5, items })),
    fc
      .array(fc.record({ type: fc.constant('bool' as const), value: fc.boolean() }), { maxLength: 20 })
      .map((items): ThriftField => ({ type: 'list', of: 1, items })),
  ),
  struct: fc
    .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 300 }), tie('field')), {
      maxLength: 6,
      selector: ([id]) => id,
    })
    .map(entries => new Map(entries.toSorted(([a], [b]) => a - b))),
}))

describe('Thrift structures', () => {
  test('come back as they were written', () => {
    fc.assert(
      fc.property(struct, bytes, (value, rest) => {
        const written = serializeThrift(value)
        const parsed = parseThrift(Buffer.concat([written, rest]))
        expect(parsed).toEqual({ value, end: written.length })
      }),
    )
  })

  test('are refused with a reason where the bytes are none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), noise => {
        try {
          parseThrift(Buffer.from(noise))
        } catch (error) {
          expect(error).toMatchObject({ code: 'ARCHIVE_DAMAGED', details: { reason: 'PARQUET_MALFORMED' } })
        }
      }),
    )
  })

  test.each([
    ['a list longer than its container', [0x19, 0xf5, 0xff, 0xff, 0xff, 0x7f]],
    ['an integer above 2^53', [0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0]],
    ['nesting without end', Array.from({ length: 200 }, () => 0x1c)],
    ['a field that stands twice', [0x15, 2, 0x05, 2, 2, 0]],
    ['no end', [0x15, 2]],
  ])('%s is refused', (_name, list) => {
    expect(() => parseThrift(Buffer.from(list))).toThrow(/Thrift/u)
  })
})

test('the clear part of a footer may hold anything and is refused with a reason', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), noise => {
      const length = Buffer.alloc(4)
      length.writeUInt32LE(noise.length)
      try {
        splitFooter(Buffer.concat([noise, length, Buffer.from('PARE')]))
      } catch (error) {
        expect(error).toMatchObject({ code: 'ARCHIVE_DAMAGED' })
      }
    }),
  )
})
