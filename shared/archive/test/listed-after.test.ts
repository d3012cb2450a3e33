import fc from 'fast-check'
import { expect, test } from 'vitest'
import { listedAfter } from '../src/verify/listed-after.ts'

test('what is listed after a key is what a search from the start finds, versions of the key itself left out', () => {
  const keys = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { maxLength: 12 })
  fc.assert(
    fc.property(keys, fc.constantFrom('', 'a', 'c', 'cc', 'f', 'g'), (unsorted, key) => {
      const listed = unsorted
        .toSorted()
        .map((each, at) => ({ key: each, version: String(at), sizeBytes: 1, isDeleteMarker: false }))
      expect(listedAfter(listed, key)).toBe(listed.find(info => info.key > key))
    }),
  )
})
