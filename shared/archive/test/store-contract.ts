import { describe, expect, test } from 'vitest'
import type { ArchiveStore } from '../src/store/store.ts'
import { collect } from './events.ts'

const bytes = (text: string): Buffer => Buffer.from(text)

/** What every store must do. `open` gives a store that nobody else writes to; it may be the same one every time. */
export function storeContract(name: string, open: () => Promise<ArchiveStore>): void {
  let runs = 0
  const setUp = async (): Promise<{ store: ArchiveStore; at: (key: string) => string }> => {
    const store = await open()
    const run = `seg/run-${Date.now()}-${(runs += 1)}`
    return { store, at: key => `${run}/${key}` }
  }

  describe(`the ${name} store`, () => {
    test('gives back what was put, whole and in ranges', async () => {
      const { store, at } = await setUp()
      const put = await store.put({ key: at('a'), bytes: bytes('0123456789'), ifTaken: 'refuse' })
      if (put.kind !== 'stored') throw new Error('not stored')
      const { version } = put
      expect(await store.get(at('a'))).toEqual(bytes('0123456789'))
      expect(await store.get(at('a'), { version })).toEqual(bytes('0123456789'))
      expect(await store.get(at('a'), { version, range: { start: 2, end: 5 } })).toEqual(bytes('234'))
      expect(await store.get(at('a'), { version, range: { start: 8, end: 20 } })).toEqual(bytes('89'))
      expect(await store.get(at('a'), { version, range: { start: 3, end: 3 } })).toEqual(bytes(''))
      expect(await store.head(at('a'), version)).toMatchObject({ key: at('a'), version, sizeBytes: 10 })
    })

    test('holds empty objects', async () => {
      const { store, at } = await setUp()
      await store.put({ key: at('empty'), bytes: bytes(''), ifTaken: 'refuse' })
      expect(await store.get(at('empty'))).toEqual(bytes(''))
    })

    test('answers a missing object or version with a value', async () => {
      const { store, at } = await setUp()
      expect(await store.get(at('nothing'))).toBeUndefined()
      expect(await store.head(at('nothing'))).toBeUndefined()
      await store.put({ key: at('there'), bytes: bytes('x'), ifTaken: 'refuse' })
      expect(await store.get(at('ther'))).toBeUndefined()
      expect(await store.get(at('there'), { version: 'ffffffffffff' })).toBeUndefined()
      expect(await store.head(at('there'), 'ffffffffffff')).toBeUndefined()
    })

    test('refuses a taken key and keeps the first bytes', async () => {
      const { store, at } = await setUp()
      await store.put({ key: at('a'), bytes: bytes('first'), ifTaken: 'refuse' })
      expect(await store.put({ key: at('a'), bytes: bytes('second'), ifTaken: 'refuse' })).toEqual({
        kind: 'taken',
      })
      expect(await store.get(at('a'))).toEqual(bytes('first'))
    })

    test.each(['refuse', 'beside'] as const)('adopts the same bytes (%s)', async ifTaken => {
      const { store, at } = await setUp()
      const first = await store.put({ key: at('a'), bytes: bytes('same'), ifTaken })
      expect(await store.put({ key: at('a'), bytes: bytes('same'), ifTaken })).toEqual(first)
      expect(await collect(store.list(at('')))).toHaveLength(1)
    })

    test('keeps other bytes beside the first under a version of their own', async () => {
      const { store, at } = await setUp()
      const first = await store.put({ key: at('a'), bytes: bytes('first'), ifTaken: 'beside' })
      const second = await store.put({ key: at('a'), bytes: bytes('second'), ifTaken: 'beside' })
      if (first.kind !== 'stored' || second.kind !== 'stored') throw new Error('not stored')
      expect(second.version).not.toBe(first.version)
      expect(await store.get(at('a'), { version: first.version })).toEqual(bytes('first'))
      expect(await store.get(at('a'), { version: second.version })).toEqual(bytes('second'))
      expect(await store.get(at('a'))).toEqual(bytes('first'))
      const listed = await collect(store.list(at('')))
      expect(listed.map(({ version }) => version)).toEqual([first.version, second.version])
    })

    test('lets one of many win a key', async () => {
      const { store, at } = await setUp()
      const tries = Array.from({ length: 20 }, (_, index) =>
        store.put({ key: at('race'), bytes: bytes(`writer ${index}`), ifTaken: 'refuse' }),
      )
      const results = await Promise.all(tries)
      expect(results.filter(({ kind }) => kind === 'stored')).toHaveLength(1)
    })

    test('lists in the order of bytes, below a prefix, after a key', async () => {
      const { store, at } = await setUp()
      const keys = ['b/2', 'b/10', 'a-b/1', 'a/1', 'a/2.tree', 'a/2', 'a0/1', 'A/1', 'c']
      for (const key of keys) await store.put({ key: at(key), bytes: bytes(key), ifTaken: 'refuse' })
      const sorted = keys.toSorted().map(at)
      const names = async (prefix: string, after?: string): Promise<string[]> => {
        const options = after === undefined ? {} : { after: at(after) }
        const listed = await collect(store.list(at(prefix), options))
        return listed.map(({ key }) => key)
      }
      expect(await names('')).toEqual(sorted)
      expect(await names('a')).toEqual(['a-b/1', 'a/1', 'a/2', 'a/2.tree', 'a0/1'].map(at))
      expect(await names('a/')).toEqual(['a/1', 'a/2', 'a/2.tree'].map(at))
      expect(await names('a/', 'a/1')).toEqual(['a/2', 'a/2.tree'].map(at))
      expect(await names('', 'a0/1')).toEqual(['b/10', 'b/2', 'c'].map(at))
      expect(await names('nothing')).toEqual([])
    })

    test('replaces the checkpoint only where it is the one that was read', async () => {
      const { store } = await setUp()
      const { checkpoint } = store
      const before = await checkpoint.read()
      const first = bytes(`first ${runs}`)
      expect(await checkpoint.replace(first, before?.tag)).toBe(true)
      const read = await checkpoint.read()
      expect(read?.bytes).toEqual(first)
      expect(await checkpoint.replace(bytes(`second ${runs}`), read?.tag)).toBe(true)
      expect(await checkpoint.replace(bytes(`third ${runs}`), read?.tag)).toBe(false)
      expect((await checkpoint.read())?.bytes).toEqual(bytes(`second ${runs}`))
    })
  })
}
