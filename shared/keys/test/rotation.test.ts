import { describe, expect, test } from 'vitest'
import { secretNames, type Keys } from '../src/index.ts'
import { parseIngestKey, sealBatch } from '../src/seal.ts'
import { cacheTtlMs, codeOf, world, type World } from './world.ts'

/** Longer than a new generation waits before it is written with. */
const settledMs = cacheTtlMs + 5000

async function rootsOf({ keys }: World): Promise<readonly string[]> {
  return (await keys.admin.tenants.list()).map(({ root }) => root)
}

function seal(key: string): Uint8Array {
  return sealBatch(parseIngestKey(key), Buffer.from('batch'), Buffer.of())
}

describe('turning over a secret', () => {
  test.each(secretNames)('%s: a new generation waits until every process has seen it', async name => {
    const { keys, pass, secrets } = await world()
    await keys.require([name])
    const first = await keys.admin.rotate(name)
    expect(first).toMatchObject({ isNew: true, id: expect.stringMatching(/^2-[0-9a-f]{8}$/u) })
    expect(await keys.admin.rotate(name)).toEqual({ ...first, isNew: false })
    const text = await secrets.read(name)
    expect(text).toContain(first.id)
    pass(settledMs)
    expect(await keys.admin.rotate(name)).toMatchObject({ isNew: true, id: expect.stringMatching(/^3-/u) })
  })

  test('a process that cached the old generations never meets a batch that it cannot open', async () => {
    const { keys, another, pass } = await world()
    const masker = another()
    const before = await keys.ingestPublicKey()
    await masker.unseal(parseIngestKey(before).kid, seal(before), Buffer.of())
    await keys.admin.rotate('ingest')
    for (let step = 0; step < 30; step++) {
      const current = await another().ingestPublicKey()
      const sealedTo = [before, current]
      for (const key of sealedTo)
        expect(await codeOf(masker.unseal(parseIngestKey(key).kid, seal(key), Buffer.of()))).toBe('no error')
      pass(5000)
    }
    expect(await another().ingestPublicKey()).not.toBe(before)
  })

  test('of two administrators at once, one makes the generation', async () => {
    const { keys, another, secrets } = await world()
    await keys.require(['log'])
    const both = await Promise.all([keys.admin.rotate('log'), another().admin.rotate('log')])
    expect(new Set(both.map(({ id }) => id)).size).toBe(1)
    expect(JSON.parse(await secrets.read('log'))).toMatchObject({ generations: [{}, {}] })
  })

  test('a generation is destroyed only when no process makes things with it any more', async () => {
    const { keys, pass } = await world()
    const old = parseIngestKey(await keys.ingestPublicKey()).kid
    expect(await codeOf(keys.admin.retire('ingest', old))).toBe('KEY_IN_USE')
    await keys.admin.rotate('ingest')
    expect(await codeOf(keys.admin.retire('ingest', old))).toBe('KEY_IN_USE')
    pass(settledMs)
    expect(await codeOf(keys.admin.checkIdle('ingest', old))).toBe('KEY_IN_USE')
    pass(settledMs)
    expect(await codeOf(keys.admin.retire('ingest', 'other'))).toBe('NOT_FOUND')
    await keys.admin.retire('ingest', old)
    pass(cacheTtlMs)
    expect(await codeOf(keys.unseal(old, Buffer.alloc(64), Buffer.of()))).toBe('BATCH_UNREADABLE')
  })
})

describe('turning over the root', () => {
  test('tenant keys are wrapped anew, and what they wrapped before opens as ever', async () => {
    const site = await world()
    const { keys, another, pass } = site
    const data = await keys.segmentKeys.createDataKey('acme', 'seg/1')
    const { id } = await keys.admin.rotate('root')
    pass(settledMs)
    expect(await keys.admin.tenants.rewrap()).toBe(1)
    expect(await keys.admin.tenants.rewrap()).toBe(0)
    expect(await rootsOf(site)).toEqual([id])
    const opened = await another().segmentKeys.openDataKey('acme', 'seg/1', data.wrapped)
    expect(opened.equals(data.key)).toBe(true)
  })

  test('before the new root is active nothing is wrapped with it', async () => {
    const site = await world()
    await site.keys.segmentKeys.createDataKey('acme', 'seg/1')
    const { id } = await site.keys.admin.rotate('root')
    expect(await site.keys.admin.tenants.rewrap()).toBe(0)
    expect(await rootsOf(site)).not.toContain(id)
  })

  test('a process with everything in its cache reads and writes through the whole turn', async () => {
    const { keys, another, pass } = await world()
    const worker = another()
    const wrapped: string[] = []
    const write = async (): Promise<void> => {
      wrapped.push((await worker.segmentKeys.createDataKey('acme', 'seg/1')).wrapped)
    }
    await write()
    await keys.admin.rotate('root')
    for (let step = 0; step < 40; step++) {
      pass(5000)
      if (step === 20) await keys.admin.tenants.rewrap()
      if (step === 25) await keys.admin.tenants.rotate('acme')
      await write()
      for (const each of wrapped)
        expect(await codeOf(worker.segmentKeys.openDataKey('acme', 'seg/1', each))).toBe('no error')
    }
    expect(new Set(wrapped.map(text => text.split('.')[1])).size).toBe(2)
  })

  test('after the old root is destroyed, a copy of the state from before opens nothing', async () => {
    const { keys, state, another, pass } = await world()
    const data = await keys.segmentKeys.createDataKey('acme', 'seg/1')
    const copy = await state.get('tenant-keys/acme/000000001')
    const oldRoot = (await keys.admin.tenants.list('acme'))[0]?.root ?? ''
    await keys.admin.rotate('root')
    pass(2 * settledMs)
    await keys.admin.tenants.rewrap()
    await keys.admin.tenants.destroy('acme')
    await keys.admin.retire('root', oldRoot)
    await state.put('tenant-keys/acme/000000001', copy?.value ?? Buffer.of(), undefined)
    expect(await codeOf(another().segmentKeys.openDataKey('acme', 'seg/1', data.wrapped))).toBe('KEY_WRONG')
  })
})

describe('tenant keys', () => {
  test('a new generation is written with within a cache lifetime, and the old one still opens', async () => {
    const { keys, another, pass } = await world()
    const worker = another()
    const old = await worker.segmentKeys.createDataKey('acme', 'seg/1')
    const generation = await keys.admin.tenants.rotate('acme')
    pass(cacheTtlMs)
    const fresh = await worker.segmentKeys.createDataKey('acme', 'seg/2')
    expect(fresh.generation).toBe(generation)
    await worker.segmentKeys.openDataKey('acme', 'seg/1', old.wrapped)
  })

  test('a generation is retired only behind a newer one that all processes have seen', async () => {
    const { keys, pass } = await world()
    const { generation } = await keys.segmentKeys.createDataKey('acme', 'seg/1')
    const { tenants } = keys.admin
    expect(await codeOf(tenants.retire('acme', generation))).toBe('KEY_IN_USE')
    await tenants.rotate('acme')
    expect(await codeOf(tenants.retire('acme', generation))).toBe('KEY_IN_USE')
    pass(settledMs)
    expect(await codeOf(tenants.retire('acme', 'x'))).toBe('NOT_FOUND')
    await tenants.retire('acme', generation)
    expect(await tenants.list()).toMatchObject([{ tenant: 'acme', isNewest: true }])
  })

  test('what is destroyed opens nothing any more, in no process, once the cache lifetime has passed', async () => {
    const { keys, another, pass } = await world()
    const warm = another()
    const data = await keys.segmentKeys.createDataKey('acme', 'seg/1')
    const other = await keys.segmentKeys.createDataKey('acme.eu', 'seg/1')
    await warm.segmentKeys.openDataKey('acme', 'seg/1', data.wrapped)
    expect(await keys.admin.tenants.destroy('acme')).toEqual([data.generation])
    const open = async (by: Keys): Promise<string> =>
      await codeOf(by.segmentKeys.openDataKey('acme', 'seg/1', data.wrapped))
    expect(await open(another())).toBe('KEY_UNKNOWN')
    pass(cacheTtlMs)
    expect(await open(warm)).toBe('KEY_UNKNOWN')
    expect(await open(keys)).toBe('KEY_UNKNOWN')
    await warm.segmentKeys.openDataKey('acme.eu', 'seg/1', other.wrapped)
  })
})
