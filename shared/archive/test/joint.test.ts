import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createJoint } from '../src/joint.ts'

test('a joint is its parts one after the other, however many bytes were expected', () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)))
  fc.assert(
    fc.property(parts, fc.nat(200), (added, expectedBytes) => {
      const joint = createJoint(expectedBytes)
      for (const part of added) joint.add(part)
      const whole = Buffer.concat(added)
      expect(joint.length()).toBe(whole.length)
      expect(joint.take()).toEqual(whole)
    }),
  )
})
