import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { engine } from '../src/parquet/engine.ts'

const rows = [{ raw: Buffer.from('{"secret":"4111"}'), offset: 0 }]

test('an error of the engine names its kind and quotes no data', async () => {
  const { toParquet } = await engine()
  const failing = toParquet([rows], 'SELECT CAST(decode(raw) AS BIGINT) AS x, part FROM segment_rows()')
  const error = await failing.catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'SERVICE_ERROR', details: { kind: 'Conversion Error' } })
  expect(inspect(error)).not.toContain('4111')
})

test('calls at the same time do not mix, and one that fails does not stop the others', async () => {
  const { toParquet } = await engine()
  const select = 'SELECT raw, partition_offset, part FROM segment_rows()'
  const results = await Promise.allSettled([
    toParquet([rows], select),
    toParquet([rows], 'SELECT nothing FROM segment_rows()'),
    toParquet([rows, rows, []], select),
    toParquet([rows], select),
  ])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
  const [one, , three] = results.map(result => (result.status === 'fulfilled' ? result.value : []))
  expect(three).toHaveLength(3)
  expect(three?.[0]).toEqual(one?.[0])
})
