import { uuidv7 } from '@muniment/schema'
import { expect, test } from 'vitest'
import { z } from 'zod'

test('is the example of RFC 9562 appendix A.6', () => {
  const random = Uint8Array.from([0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f])
  expect(uuidv7(0x017f22e279b0, random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f')
})

test('sorts by time and is always a version 7 UUID', () => {
  const random = new Uint8Array(10).fill(0xff)
  const ids = [0, 1, 1_700_000_000_000, 1_700_000_000_001].map(time => uuidv7(time, random))
  expect(ids.toSorted()).toEqual(ids)
  for (const id of ids) expect(z.uuidv7().safeParse(id).success).toBe(true)
})
