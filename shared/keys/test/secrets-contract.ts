import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SecretStore } from '../src/index.ts'

/** Every promise of the port, tried on one adapter; `setUp` opens an empty place. */
export function secretsContract(name: string, setUp: () => Promise<SecretStore>): void {
  describe(`secrets (${name})`, () => {
    let secrets: SecretStore
    beforeAll(async () => {
      secrets = await setUp()
    })
    afterAll(async () => {
      await secrets[Symbol.asyncDispose]()
    })

    test('a missing one is named', async () => {
      await expect(secrets.read('log')).rejects.toMatchObject({
        code: 'SECRET_MISSING',
        message: expect.stringContaining('log'),
      })
    })

    test('one that was created is read back', async () => {
      expect(await secrets.create('root', '{"a":"ä\\n"}\n')).toBe(true)
      expect(await secrets.read('root')).toBe('{"a":"ä\\n"}\n')
    })

    test('one that exists is left as it is', async () => {
      await secrets.create('masking', 'one')
      expect(await secrets.create('masking', 'two')).toBe(false)
      expect(await secrets.read('masking')).toBe('one')
    })

    test('of creators at once one wins, and all read what it wrote', async () => {
      const made = await Promise.all(
        ['a', 'b', 'c', 'd'].map(async text => await secrets.create('ingest', text)),
      )
      expect(made.filter(Boolean)).toHaveLength(1)
      expect(await secrets.read('ingest')).toBe('abcd'[made.indexOf(true)])
    })

    test('one is replaced only while it is what the caller has seen', async () => {
      await secrets.create('control', 'one')
      expect(await secrets.replace('control', { text: 'two', expected: 'zero' })).toBe(false)
      expect(await secrets.read('control')).toBe('one')
      expect(await secrets.replace('control', { text: 'two', expected: 'one' })).toBe(true)
      expect(await secrets.replace('control', { text: 'three', expected: 'one' })).toBe(false)
      expect(await secrets.replace('control', { text: 'four', expected: 'two', forgetsOld: true })).toBe(true)
      expect(await secrets.read('control')).toBe('four')
    })

    test('a missing one is not replaced but named', async () => {
      await expect(secrets.replace('log', { text: 'new', expected: '' })).rejects.toMatchObject({
        code: 'SECRET_MISSING',
      })
    })
  })
}
