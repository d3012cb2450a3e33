import {
  batchAad,
  batchHeaders,
  decodeFrames,
  encodeFrames,
  frameBytes,
  isAppError,
  parseBatchHeaders,
  type BatchHeaders,
} from '@muniment/schema'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

const bytes = fc.uint8Array({ maxLength: 300 })
const frames = fc.array(
  fc.record({
    envelope: bytes,
    request: fc.option(bytes, { nil: undefined }),
    response: fc.option(bytes, { nil: undefined }),
  }),
)
const header: BatchHeaders = {
  lane: 'a/1',
  firstSeq: 3,
  lastSeq: 9,
  kid: 'k1',
  encoding: 'zstd',
  part: 1,
  parts: 2,
}

test('decoding inverts encoding for any frames', () => {
  fc.assert(
    fc.property(frames, given => {
      const plain = encodeFrames(given)
      expect(plain.length).toBe(given.reduce((sum, frame) => sum + frameBytes(frame), 0))
      expect([...decodeFrames(plain)]).toEqual(given)
    }),
  )
})

test('any bytes either decode or are refused as malformed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), given => {
      try {
        for (const frame of decodeFrames(given)) expect(frameBytes(frame)).toBeLessThanOrEqual(given.length)
      } catch (error) {
        expect(isAppError(error, 'BATCH_MALFORMED')).toBe(true)
      }
    }),
  )
})

test('headers come back as they were given', () => {
  expect(parseBatchHeaders('a/1', batchHeaders(header))).toEqual(header)
})

test.each([
  ['another version', { mun_v: '2' }, 'SCHEMA_UNKNOWN'],
  ['no version', { mun_v: '' }, 'SCHEMA_UNKNOWN'],
  ['a negative number', { mun_first: '-1' }, 'BATCH_MALFORMED'],
  ['a number with an exponent', { mun_last: '1e3' }, 'BATCH_MALFORMED'],
  ['an end before the beginning', { mun_first: '10' }, 'BATCH_MALFORMED'],
  ['an unknown compression', { mun_enc: 'lz4' }, 'BATCH_MALFORMED'],
  ['part 0', { mun_part: '0/2' }, 'BATCH_MALFORMED'],
  ['a part past the last', { mun_part: '3/2' }, 'BATCH_MALFORMED'],
  ['too many parts', { mun_part: '1/65' }, 'BATCH_MALFORMED'],
])('refuses %s', (_, change, code) => {
  let caught: unknown
  try {
    parseBatchHeaders('a/1', { ...batchHeaders(header), ...change })
  } catch (error) {
    caught = error
  }
  expect(caught).toMatchObject({ name: 'AppError', code })
})

test.each(['lane', 'firstSeq', 'lastSeq', 'kid', 'encoding', 'part', 'parts'] as const)(
  'the associated data binds %s',
  name => {
    const changed = { ...header, [name]: name === 'encoding' ? 'gzip' : `${header[name]}0` }
    expect(batchAad(changed)).not.toEqual(batchAad(header))
  },
)
