import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, rm, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { topic } from '@muniment/schema'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkFolder, openArchive, openStore, verifyArchive, type ArchiveStore } from '../src/index.ts'
import { event } from './events.ts'
import { createMemoryKeys } from './memory-keys.ts'
import { fill } from './small-archive.ts'

const keys = createMemoryKeys()
let directory = ''
let store: ArchiveStore
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'muniment-folder-'))
  store = await openStore({ kind: 'file', directory })
  await fill({ store, keys }, [[event({ seq: 0 })]], { topic: topic.events })
})
afterAll(async () => rm(directory, { recursive: true, force: true, maxRetries: 10 }))

async function archived(): Promise<readonly string[]> {
  const paths: string[] = []
  for await (const { key } of store.list('')) paths.push(join(directory, key))
  return paths
}

/** Whether this account and file system can set the flag: root on ext4, xfs or btrfs. */
function setFlag(flag: '+i' | '-i', paths: readonly string[]): boolean {
  try {
    execFileSync('chattr', [flag, ...paths], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe('what a folder keeps', () => {
  test('is found by effect: exclusive names, and that files can be removed', async () => {
    const findings = await checkFolder(directory)
    expect(findings.filter(({ isMust }) => isMust)).toMatchObject([
      { id: 'F01', isFine: true },
      { id: 'F02', isFine: true },
    ])
    expect(findings.find(({ id }) => id === 'F04')).toMatchObject({ isFine: false, isMust: false })
    expect(findings.find(({ id }) => id === 'F05')).toMatchObject({
      isFine: false,
      note: expect.stringContaining('only the log and its witnesses show it'),
    })
    expect(await readdir(join(directory, '.part'))).toEqual([])
  })

  test('an immutable flag is seen, holds against root too, and the archive goes on', async context => {
    const paths = await archived()
    if (!setFlag('+i', paths)) context.skip('needs root, chattr and a file system with the flag')
    try {
      expect((await checkFolder(directory)).find(({ id }) => id === 'F04')).toMatchObject({ isFine: true })
      for (const path of paths) await expect(unlink(path)).rejects.toMatchObject({ code: 'EPERM' })
      const { checked: before } = await verifyArchive({ store, keys })
      const previous = await openArchive({ store, keys }).newest(topic.events, 0)
      await fill({ store, keys }, [[event({ seq: 1 })]], { topic: topic.events, previous })
      const report = await verifyArchive({ store, keys })
      expect(report).toMatchObject({ ok: true, checked: { manifests: before.manifests + 1 } })
      const found = (await checkFolder(directory)).find(({ id }) => id === 'F04')
      expect(found?.note).toMatch(/^3 of 6 archived files/u)
    } finally {
      setFlag('-i', paths)
    }
  })
})
