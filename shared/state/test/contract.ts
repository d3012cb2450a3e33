import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isAppError } from '@muniment/schema'
import type { StateStore } from '../src/state.ts'

/** Where the contract is tried: an adapter over one place, and how to open that place once more as another process would. */
export interface StateFixture extends AsyncDisposable {
  readonly open: () => Promise<StateStore>
}

const text = new TextEncoder()

async function keysOf(keys: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = []
  for await (const key of keys) found.push(key)
  return found
}

async function codeOf(action: Promise<unknown>): Promise<string> {
  return await action.then(
    () => 'no error',
    (error: unknown) => (isAppError(error) ? error.code : String(error)),
  )
}

const actions = ['create', 'replace', 'stale', 'delete'] as const

interface Step {
  readonly key: string
  readonly does: (typeof actions)[number]
}

/** Writes by `state` have the effect that they would have on a map, as `other` sees it. */
async function behaveAsMap(state: StateStore, other: StateStore, steps: readonly Step[]): Promise<void> {
  const model = new Map<string, { readonly value: string; readonly version: string }>()
  for await (const key of state.list('map/')) await state.delete(key)
  for (const [index, { key, does }] of steps.entries()) {
    const had = model.get(key)?.version
    if (does === 'delete') {
      await state.delete(key)
      model.delete(key)
      continue
    }
    const expected = { create: undefined, stale: 'stale', replace: had }[does]
    const version = await state.put(key, text.encode(String(index)), expected)
    expect(version !== undefined).toBe(had === expected)
    if (version !== undefined) model.set(key, { value: String(index), version })
  }
  expect(await keysOf(other.list('map/'))).toEqual([...model.keys()].toSorted())
  for (const [key, { value }] of model)
    expect(Buffer.from((await other.get(key))?.value ?? []).toString()).toBe(value)
}

/** Every promise of the port, tried on one adapter. */
export function stateContract(name: string, setUp: () => Promise<StateFixture>): void {
  describe(`the state (${name})`, () => {
    let fixture: StateFixture
    let state: StateStore
    let other: StateStore
    beforeAll(async () => {
      fixture = await setUp()
      state = await fixture.open()
      other = await fixture.open()
    })
    afterAll(async () => {
      await state[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
      await fixture[Symbol.asyncDispose]()
    })

    test('a missing key is a value', async () => {
      expect(await state.get('contract/missing')).toBeUndefined()
      await state.delete('contract/missing')
    })

    test('what was put is read back, here and elsewhere', async () => {
      const version = await state.put('contract/read', text.encode('one'), undefined)
      expect(version).toBeDefined()
      for (const each of [state, other]) {
        const entry = await each.get('contract/read')
        expect(entry?.version).toBe(version)
        expect(Buffer.from(entry?.value ?? []).toString()).toBe('one')
      }
    })

    test('an empty value and one of 5 MiB are kept', async () => {
      const large = Buffer.alloc(5 * 1024 * 1024, 'large')
      await state.put('contract/empty', new Uint8Array(0), undefined)
      await state.put('contract/large', large, undefined)
      expect((await state.get('contract/empty'))?.value.length).toBe(0)
      expect(Buffer.compare((await state.get('contract/large'))?.value ?? Buffer.of(), large)).toBe(0)
    })

    test('a key that exists is not created again', async () => {
      await state.put('contract/create', text.encode('one'), undefined)
      expect(await other.put('contract/create', text.encode('two'), undefined)).toBeUndefined()
      expect(Buffer.from((await state.get('contract/create'))?.value ?? []).toString()).toBe('one')
    })

    test('only the named version is replaced, and no version comes twice', async () => {
      const key = 'contract/replace'
      const versions = [await state.put(key, text.encode('a'), undefined)]
      for (const value of ['b', 'a', 'a'])
        versions.push(await state.put(key, text.encode(value), versions.at(-1)))
      expect(new Set(versions).size).toBe(4)
      for (const stale of [...versions.slice(0, -1), undefined, 'never'])
        expect(await other.put(key, text.encode('stale'), stale)).toBeUndefined()
      expect(Buffer.from((await state.get(key))?.value ?? []).toString()).toBe('a')
    })

    test('a deleted key is gone and may be created anew; its old version replaces nothing', async () => {
      const key = 'contract/delete'
      const old = await state.put(key, text.encode('one'), undefined)
      await other.delete(key)
      expect(await state.get(key)).toBeUndefined()
      expect(await state.put(key, text.encode('stale'), old)).toBeUndefined()
      expect(await state.put(key, text.encode('two'), undefined)).toBeDefined()
      expect(await state.put(key, text.encode('stale'), old)).toBeUndefined()
    })

    test('of several writers of one version exactly one wins', async () => {
      const key = 'contract/race'
      const first = await state.put(key, text.encode('0'), undefined)
      for (const expected of [first]) {
        const writers = Array.from({ length: 8 }, async (_, index) =>
          (index % 2 === 0 ? state : other).put(key, text.encode(`w${index}`), expected),
        )
        const outcomes = await Promise.all(writers)
        const winner = outcomes.findIndex(version => version !== undefined)
        expect(outcomes.filter(version => version !== undefined)).toHaveLength(1)
        expect((await state.get(key))?.version).toBe(outcomes[winner])
        expect(Buffer.from((await state.get(key))?.value ?? []).toString()).toBe(`w${winner}`)
      }
    })

    test('keys are listed by prefix in byte order', async () => {
      const keys = ['list/a', 'list/a/b', 'list/a-b', 'list/a.b', 'list/Z', 'list/b=1', 'list/a/B', 'listed']
      for (const key of keys) await state.put(key, text.encode(key), undefined)
      const expected = keys.filter(key => key.startsWith('list/')).toSorted()
      expect(await keysOf(other.list('list/'))).toEqual(expected)
      expect(await keysOf(other.list('list/a/'))).toEqual(['list/a/B', 'list/a/b'])
      expect(await keysOf(other.list('list'))).toEqual([...expected, 'listed'])
      expect(await keysOf(other.list('nothing'))).toEqual([])
    })

    test.each([
      '',
      '/',
      'a/',
      '/a',
      'a//b',
      '.',
      '..',
      '../a',
      'a/../b',
      'a b',
      'ä',
      'a~',
      'a\\b',
      'a\0',
      'a\n',
      'x'.repeat(201),
    ])('the key %j is refused by every method', async key => {
      for (const action of [state.get(key), state.put(key, text.encode('x'), undefined), state.delete(key)])
        expect(await codeOf(action)).toBe('INVALID_INPUT')
    })

    test('a key of more than 512 characters is refused, one of 512 is kept', async () => {
      const longest = `${'k'.repeat(200)}/${'k'.repeat(200)}/${'k'.repeat(110)}`
      expect(await state.put(longest, text.encode('x'), undefined)).toBeDefined()
      expect((await state.get(longest))?.value.length).toBe(1)
      expect(await codeOf(state.get(`${longest}k`))).toBe('INVALID_INPUT')
    })

    test('behaves as a map under any sequence of writes', async () => {
      const step = fc.record({
        key: fc.constantFrom('map/a', 'map/a/b', 'map/c'),
        does: fc.constantFrom(...actions),
      })
      const law = fc.asyncProperty(fc.array(step, { maxLength: 12 }), async steps => {
        await behaveAsMap(state, other, steps)
      })
      await fc.assert(law, { numRuns: 15 })
    })
  })
}
