import { createNonces } from '@muniment/masker'
import { expect, test } from 'vitest'

test('no nonce comes twice, and each is 128 bits of the source', () => {
  let drawn = 0
  const nonce = createNonces(size => Uint8Array.from({ length: size }, () => drawn++ % 251))
  const nonces = Array.from({ length: 1000 }, nonce)
  expect(nonces[0]).toBe('000102030405060708090a0b0c0d0e0f')
  expect(nonces.every(text => /^[0-9a-f]{32}$/u.test(text))).toBe(true)
  expect(drawn).toBe(2 * 512 * 16)
})
