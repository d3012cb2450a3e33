import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openState } from '../src/index.ts'
import { stateContract } from './contract.ts'

async function folder(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'muniment-state-'))
}

async function ownFolder(): Promise<string> {
  const dir = await folder()
  onTestFinished(async () => await rm(dir, { recursive: true, force: true, maxRetries: 10 }))
  return dir
}

stateContract('file', async () => {
  const dir = await folder()
  return {
    open: async () => await openState({ kind: 'file', dir }),
    [Symbol.asyncDispose]: async () => await rm(dir, { recursive: true, force: true, maxRetries: 10 }),
  }
})

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8)
}

describe('the state in a folder', () => {
  test('is readable by its owner only', async () => {
    const dir = await ownFolder()
    await using state = await openState({ kind: 'file', dir: join(dir, 'new') })
    await state.put('a/b', Buffer.from('x'), undefined)
    expect(await modeOf(join(dir, 'new'))).toBe('700')
    expect(await modeOf(join(dir, 'new/a'))).toBe('700')
    expect(await modeOf(join(dir, 'new/a/b~'))).toBe('600')
  })

  test('survives being closed and opened again', async () => {
    const dir = await ownFolder()
    {
      await using state = await openState({ kind: 'file', dir })
      await state.put('kept', Buffer.from('x'), undefined)
    }
    await using state = await openState({ kind: 'file', dir })
    expect(Buffer.from((await state.get('kept'))?.value ?? []).toString()).toBe('x')
  })

  test('sweeps away drafts of writers that died long ago, not those of living ones', async () => {
    const dir = await ownFolder()
    {
      await using state = await openState({ kind: 'file', dir })
      await state.put('a', Buffer.from('x'), undefined)
    }
    await writeFile(join(dir, '~new/old'), 'x')
    await writeFile(join(dir, '~new/young'), 'x')
    await utimes(join(dir, '~new/old'), 0, 0)
    await using state = await openState({ kind: 'file', dir })
    expect(await readdir(join(dir, '~new'))).toEqual(['young'])
    for await (const key of state.list('')) expect(key).toBe('a')
  })

  test('says DISK_UNUSABLE, with the folder, where something else lies in the place of an entry', async () => {
    const dir = await ownFolder()
    await using state = await openState({ kind: 'file', dir })
    await writeFile(join(dir, 'a~'), 'not ours')
    await expect(state.get('a')).rejects.toMatchObject({ code: 'DISK_UNUSABLE' })
    await expect(state.put('a', Buffer.from('x'), undefined)).rejects.toMatchObject({ code: 'DISK_UNUSABLE' })
  })

  test('says DISK_UNUSABLE where the folder cannot be made', async () => {
    const dir = await ownFolder()
    await writeFile(join(dir, 'file'), 'x')
    await expect(openState({ kind: 'file', dir: join(dir, 'file/below') })).rejects.toMatchObject({
      code: 'DISK_UNUSABLE',
      message: expect.stringContaining('file/below'),
    })
  })

  test('says DISK_UNUSABLE where nothing can be written any more', async () => {
    const dir = await ownFolder()
    await using state = await openState({ kind: 'file', dir })
    await rm(join(dir, '~new'), { recursive: true, maxRetries: 10 })
    await writeFile(join(dir, '~new'), 'in the way')
    await expect(state.put('a', Buffer.from('x'), undefined)).rejects.toMatchObject({
      code: 'DISK_UNUSABLE',
      message: expect.stringContaining(dir),
    })
    expect(await state.get('a')).toBeUndefined()
  })
})
