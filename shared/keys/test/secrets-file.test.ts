import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openSecrets } from '../src/index.ts'
import { secretsContract } from './secrets-contract.ts'

const folders: string[] = []

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'muniment-secrets-'))
  folders.push(dir)
  return dir
}

afterAll(async () => {
  for (const dir of folders) await rm(dir, { recursive: true, force: true, maxRetries: 10 })
})

secretsContract('memory', async () => await openSecrets({ kind: 'memory' }))
secretsContract('file', async () => await openSecrets({ kind: 'file', dir: join(await folder(), 'secrets') }))

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8)
}

describe('secrets in files', () => {
  test('are readable by their owner only, and no draft is left', async () => {
    const dir = join(await folder(), 'secrets')
    await using secrets = await openSecrets({ kind: 'file', dir })
    await secrets.create('root', 'x')
    await secrets.create('root', 'y')
    expect([await modeOf(dir), await modeOf(join(dir, 'root.json'))]).toEqual(['700', '600'])
    expect(await readdir(dir)).toEqual(['root.json'])
  })

  test.each([0o644, 0o640, 0o604, 0o660, 0o622, 0o611])(
    'of mode %o are refused, with what to do',
    async mode => {
      const dir = await folder()
      await using secrets = await openSecrets({ kind: 'file', dir })
      await secrets.create('root', 'planted')
      await chmod(join(dir, 'root.json'), mode)
      const error: unknown = await secrets.read('root').catch((caught: unknown) => caught)
      expect(error).toMatchObject({
        code: 'SECRET_DENIED',
        message: expect.stringContaining(`root.json has mode 0${mode.toString(8)}`),
        hint: expect.stringContaining('chmod 600'),
      })
      expect(JSON.stringify(error)).not.toContain('planted')
    },
  )

  test.each([0o600, 0o400])('of mode %o are read', async mode => {
    const dir = await folder()
    await using secrets = await openSecrets({ kind: 'file', dir })
    await secrets.create('root', 'x')
    await chmod(join(dir, 'root.json'), mode)
    expect(await secrets.read('root')).toBe('x')
  })

  test('that are no files, or too large, are named errors', async () => {
    const dir = await folder()
    await using secrets = await openSecrets({ kind: 'file', dir })
    await writeFile(join(dir, 'root.json'), 'x'.repeat(300_000), { mode: 0o600 })
    await expect(secrets.read('root')).rejects.toMatchObject({ code: 'SECRET_MALFORMED' })
    await writeFile(join(dir, 'blocked'), '')
    await using below = await openSecrets({ kind: 'file', dir: join(dir, 'blocked/secrets') })
    await expect(below.create('root', 'x')).rejects.toMatchObject({ code: 'SECRET_DENIED' })
  })
})
