import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mask } from '../src/index.ts'
import { document, glued, prose } from './texts.ts'

test('masking twice changes nothing, whatever is glued together', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        document,
        prose,
        glued,
        glued.map(note => JSON.stringify({ note })),
      ),
      text => {
        const once = mask(text)
        expect(mask(once)).toBe(once)
      },
    ),
    { numRuns: 10_000 },
  )
})
