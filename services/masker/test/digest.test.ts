import { createHmac, createSecretKey } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createDigest } from '../src/digest.ts'

test('is HMAC-SHA-256 for any key and any message', () => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(
    fc.property(key, fc.array(fc.uint8Array({ maxLength: 300 })), (raw, messages) => {
      const digest = createDigest(createSecretKey(raw))
      for (const message of messages)
        expect(digest(message)).toBe(createHmac('sha256', raw).update(message).digest('hex'))
    }),
  )
})

test.each([65_535, 65_536, 65_537, 1_000_000])('is HMAC-SHA-256 for a message of %d bytes', length => {
  const raw = Buffer.alloc(32, 9)
  const message = Buffer.alloc(length, 'muniment')
  const digest = createDigest(createSecretKey(raw))
  expect(digest(message)).toBe(createHmac('sha256', raw).update(message).digest('hex'))
  expect(digest(message.subarray(1))).toBe(
    createHmac('sha256', raw).update(message.subarray(1)).digest('hex'),
  )
})
