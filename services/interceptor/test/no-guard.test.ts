import { expect, test } from 'vitest'
import { enforceDecisions } from '../src/guard/index.ts'
import { observeExpress, observeFastify, observeFetch, observeHono, observeListener } from '../src/http.ts'

// As a program without types could write it.
const options = { home: '/nonexistent', guard: enforceDecisions() }

test.each<[string, () => unknown]>([
  ['observeListener', () => observeListener(() => undefined, options)],
  ['observeExpress', () => observeExpress(options)],
  ['observeFastify', () => observeFastify(options)],
  ['observeFetch', () => observeFetch(() => new Response(), options)],
  ['observeHono', () => observeHono(options)],
])('%s refuses a part that judges messages, which it would not ask', async (_, open) => {
  await expect(async () => open()).rejects.toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('refuses nothing') }),
  )
})
