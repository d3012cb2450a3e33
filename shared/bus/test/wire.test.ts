import { Buffer } from 'node:buffer'
import { createRequire } from 'node:module'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { crc32c } from '../src/kafka/crc32c.ts'
import {
  decodeRecord,
  encodeRecord,
  groupMessages,
  type BatchContext,
  type WireMessage,
} from '../src/kafka/wire.ts'

// The originals, from a copy of the files that nobody has replaced.
const require = createRequire(import.meta.url)
const originalEncode: (message: WireMessage) => {
  readonly buffer: Buffer
} = require('kafkajs/src/protocol/recordBatch/record/v0')
const originalDecode: (
  decoder: unknown,
  context: BatchContext,
) => Record<string, unknown> = require('kafkajs/src/protocol/recordBatch/record/v0/decoder')
const originalGroup: typeof groupMessages = require('kafkajs/src/producer/groupMessagesPerPartition')
const Decoder: new (buffer: Buffer) => {
  readVarIntBytes: () => Buffer
  readonly buffer: Buffer
} = require('kafkajs/src/protocol/decoder')

const bytes = fc.uint8Array({ maxLength: 300 }).map(found => Buffer.from(found))
const headerValue = fc.oneof(fc.string({ unit: 'grapheme' }), bytes)
const message: fc.Arbitrary<WireMessage> = fc.record({
  offsetDelta: fc.integer({ min: 0, max: 1_000_000 }),
  timestampDelta: fc.integer({ min: -5_000_000_000, max: 5_000_000_000 }),
  key: fc.oneof(fc.constant(null), fc.string({ unit: 'grapheme' }), bytes),
  value: fc.oneof(fc.constant(null), bytes),
  headers: fc.dictionary(
    // kafkajs takes a header named like a method of all objects for a repeated one.
    fc.string({ unit: 'grapheme', maxLength: 20 }).filter(name => !(name in {})),
    fc.oneof(headerValue, fc.array(headerValue, { minLength: 1, maxLength: 3 })),
    { maxKeys: 15, noNullPrototype: true },
  ),
})

const context: BatchContext = {
  firstOffset: '4503599627370000',
  firstTimestamp: '1795000000000',
  maxTimestamp: '1795000000777',
  magicByte: 2,
  isControlBatch: false,
  timestampType: 0,
}

function partitioner({ message: number }: { readonly message: number }): number {
  return number % 5
}

describe('records are read and written as kafkajs does it', () => {
  test('any record is encoded to the same bytes', () => {
    fc.assert(
      fc.property(message, each => {
        expect(encodeRecord(each).buffer.equals(originalEncode(each).buffer)).toBe(true)
      }),
    )
  })

  test.each([0, 1])('any record is decoded to the same fields, with timestamps of type %i', timestampType => {
    fc.assert(
      fc.property(message, each => {
        const body = new Decoder(originalEncode(each).buffer).readVarIntBytes()
        const inBatch = { ...context, timestampType }
        const theirs = originalDecode(new Decoder(body), inBatch)
        expect(decodeRecord({ buffer: body }, inBatch)).toEqual(theirs)
      }),
    )
  })

  test('messages are grouped by partition in their order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 50 })), messages => {
        const grouping = { topic: 't', partitionMetadata: [1], messages, partitioner }
        expect(groupMessages(grouping)).toEqual(originalGroup(grouping))
      }),
    )
  })
})

// RFC 3720, appendix B.4, and the check value of the CRC catalogue.
test.each([
  ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
  ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['32 rising', Buffer.from(Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e],
  ['123456789', Buffer.from('123456789'), 0xe3069283],
  ['nothing', Buffer.alloc(0), 0],
])('the checksum of %s is that of the standard', (_, data, expected) => {
  expect(crc32c(data)).toBe(expected)
})

test.each(['toString', '__proto__', 'constructor'])('a header may be named %s', name => {
  const headers = Object.fromEntries([[name, 'x']])
  const body = new Decoder(encodeRecord({ headers }).buffer).readVarIntBytes()
  const found = decodeRecord({ buffer: body }, context).headers
  expect(Object.keys(found)).toEqual([name])
  expect(Object.getPrototypeOf(found)).toBe(Object.prototype)
})

test('a record that ends too early is refused', () => {
  const { buffer } = encodeRecord({ key: 'key', value: Buffer.from('value'), headers: { name: 'x' } })
  const body = new Decoder(buffer).readVarIntBytes()
  for (let length = 2; length < body.length; length++) {
    expect(() => decodeRecord({ buffer: body.subarray(0, length) }, context)).toThrow(RangeError)
  }
})
