import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createFileStore } from '../src/store/fs.ts'
import { createMemoryStore } from '../src/store/memory.ts'
import { storeContract } from './store-contract.ts'

const folders: string[] = []

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'muniment-store-'))
  folders.push(path)
  return path
}

afterAll(async () => {
  for (const path of folders) await rm(path, { recursive: true, maxRetries: 10 })
})

storeContract('memory', () => Promise.resolve(createMemoryStore()))
storeContract('file', async () => createFileStore(join(await folder(), 'archive')))

test('files can be read by their owner only and written by nobody', async () => {
  const path = await folder()
  const store = createFileStore(path)
  await store.put({ key: 'seg/v1/a', bytes: Buffer.from('x'), ifTaken: 'refuse' })
  expect((await stat(join(path, 'seg/v1/a'))).mode & 0o777).toBe(0o400)
  expect((await stat(join(path, 'seg/v1'))).mode & 0o777).toBe(0o700)
  expect(await readdir(join(path, '.part'))).toEqual([])
})

test.each(['../a', 'a/../../b', '/a', 'a//b', 'a~b', '', '.'])(
  'the file store refuses the key %j',
  async key => {
    const store = createFileStore(await folder())
    await expect(store.get(key)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(store.put({ key, bytes: Buffer.from('x'), ifTaken: 'refuse' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  },
)
