import { createHash, createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { topic } from '@muniment/schema'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openArchive } from '../src/archive.ts'
import { createFilter, mightHold, type FilterColumn } from '../src/format/filter.ts'
import type { Segment } from '../src/format/manifest.ts'
import { keyContext } from '../src/keys.ts'
import { createMemoryStore } from '../src/store/memory.ts'
import { verifyArchive } from '../src/verify.ts'
import { event } from './events.ts'
import { createMemoryKeys } from './memory-keys.ts'
import { bytesOf, fill, setBytes } from './small-archive.ts'

function filterValue(column: FilterColumn, value: string): string {
  return `${column}\0${value}`
}

function dataKey(): KeyObject {
  return createSecretKey(randomBytes(32))
}

test('a filter has every value that it was made of, and few others', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 300 }), values => {
      const key = dataKey()
      const filter = createFilter(new Set(values.map(value => filterValue('target', value))), key)
      for (const value of values) expect(mightHold({ filter }, key, { column: 'target', value })).toBe(true)
    }),
  )
  const values = Array.from({ length: 1000 }, (_, at) => filterValue('target', `tool${at}`))
  const key = dataKey()
  const filter = createFilter(new Set(values), key)
  const others = Array.from({ length: 10_000 }, (_, at) => ({
    column: 'target' as const,
    value: `other${at}`,
  }))
  const wrong = others.filter(question => mightHold({ filter }, key, question)).length
  expect(wrong / others.length).toBeLessThan(0.02)
})

test('a filter tells nothing without its key, and differs between segments', () => {
  const values = new Set([filterValue('principal_id', 'alice')])
  const [one, two] = [createFilter(values, dataKey()), createFilter(values, dataKey())]
  expect(one).not.toBe(two)
  expect(
    createFilter(new Set(Array.from({ length: 5000 }, (_, at) => String(at))), dataKey()),
  ).toBeUndefined()
  expect(mightHold({ filter: undefined }, dataKey(), { column: 'target', value: 'x' })).toBe(true)
})

/** The same bytes in every run: under one key in a hundred or so a filter holds a value that it was not made of. */
function seeded(): (size: number) => Buffer {
  let drawn = 0
  return size => createHash('shake256', { outputLength: size }).update(String(drawn++)).digest()
}

async function segmentOf(values: readonly Buffer[]): Promise<{
  readonly segment: Segment
  readonly key: KeyObject
  readonly small: Parameters<typeof fill>[0]
}> {
  const small = { store: createMemoryStore(), keys: createMemoryKeys(seeded()) }
  await fill(small, [values], { topic: topic.events })
  const newest = await openArchive(small).newest(topic.events, 0)
  const segment = newest?.manifest.segments[0]
  if (newest === undefined || segment === undefined) throw new Error('nothing archived')
  const key = await small.keys.openDataKey(segment.tenant, keyContext(newest.manifest), segment.wrapped_key)
  return { segment, key, small }
}

test.each([
  ['principal_id', 'alice', true],
  ['principal_id', 'bob', false],
  ['target', 'note', true],
  ['target', 'alice', false],
  ['session_id', 'note', false],
  ['outcome', 'ok', true],
  ['outcome', 'tool_error', false],
  ['pii_types', 'EMAIL', true],
  ['pii_types', 'PHONE', false],
] as const)('an archived event with %s %s: %s', async (...[column, value, isThere]) => {
  const { segment, key } = await segmentOf([event({ seq: 0 })])
  expect(mightHold(segment, key, { column: column satisfies FilterColumn, value })).toBe(isThere)
})

test('a filter holds what the column shows, be it text in the record or not', async () => {
  const odd = Buffer.from(event({ seq: 0 }).toString().replace('"target":"note"', '"target":5'))
  const { segment, key } = await segmentOf([odd])
  expect(mightHold(segment, key, { column: 'target', value: '5' })).toBe(true)
})

test('a filter holds every value of a segment that has many', async () => {
  const targets = Array.from({ length: 1500 }, (_, seq) => `tool-${seq}`)
  const { segment, key } = await segmentOf(
    targets.map((target, seq) =>
      Buffer.from(event({ seq }).toString().replace('"target":"note"', `"target":"${target}"`)),
    ),
  )
  expect(targets.every(value => mightHold(segment, key, { column: 'target', value }))).toBe(true)
  expect(mightHold(segment, key, { column: 'target', value: 'tool-1500' })).toBe(false)
})

test.each([
  ['a filter that hides records', /"filter":"[^"]*"/u, '"filter":"AAAAAAAAAAAAAAA"'],
  ['times that hide records', /"time":\{"max_ms":\d+,/u, '"time":{"max_ms":1,'],
])('%s is found', async (_, pattern, lie) => {
  const { small } = await segmentOf([event({ seq: 0 })])
  const store = createMemoryStore()
  for await (const { key, version } of small.store.list('')) {
    setBytes(store, key, (await small.store.get(key, { version })) ?? Buffer.alloc(0))
  }
  const manifest = [...store.objects.keys()].find(key => key.startsWith('manifest/')) ?? ''
  setBytes(store, manifest, Buffer.from(bytesOf(store, manifest).toString().replace(pattern, lie)))
  const report = await verifyArchive({ store, keys: small.keys })
  expect(report.problems.map(({ code }) => code)).toContain('segment.index')
})
