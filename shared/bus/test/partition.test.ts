import { createRequire } from 'node:module'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createPartitioner } from '../src/partition.ts'

// Values of org.apache.kafka.common.utils.UtilsTest#testMurmur2.
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('the hash of %s is that of the Java client', (text, hash) => {
  // Among so many partitions, the partition is the hash without its sign.
  expect(createPartitioner()({ key: text }, 2 ** 31 - 1)).toBe(hash & 0x7fffffff)
})

test('any key goes to the partition that kafkajs would choose', () => {
  const require = createRequire(import.meta.url)
  const { DefaultPartitioner }: typeof import('kafkajs').Partitioners = require('kafkajs').Partitioners
  const partition = DefaultPartitioner()
  const partitionMetadata = Array.from({ length: 12 }, (_, partitionId) => ({
    partitionId,
    partitionErrorCode: 0,
    leader: 1,
    replicas: [1],
    isr: [1],
  }))
  const arbitraryKey = fc.string({ unit: 'grapheme', minLength: 1 })
  fc.assert(
    fc.property(arbitraryKey, key => {
      const theirs = partition({ topic: 't', partitionMetadata, message: { key, value: '' } })
      expect(createPartitioner()({ key }, 12)).toBe(theirs)
    }),
  )
})

test('a named partition wins over the key, records without a key take turns', () => {
  const choose = createPartitioner()
  expect(choose({ key: 'a', partition: 2 }, 3)).toBe(2)
  const turns = Array.from({ length: 6 }, () => choose({ key: null }, 3))
  expect(turns.toSorted((left, right) => left - right)).toEqual([0, 0, 1, 1, 2, 2])
})
