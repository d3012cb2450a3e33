import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { secretNames } from '../src/index.ts'

const run = promisify(execFile)

test('secrets in files that several processes create on first use are the same for all of them', async () => {
  const home = await mkdtemp(join(tmpdir(), 'muniment-secrets-'))
  onTestFinished(async () => await rm(home, { recursive: true, force: true, maxRetries: 10 }))
  const program = fileURLToPath(new URL('first-use.ts', import.meta.url))
  const runs = [1, 2, 3].map(async () => (await run(process.execPath, [program, home])).stdout)
  const outputs = await Promise.all(runs)
  expect(outputs[0]).toContain('tenant')
  expect(new Set(outputs).size).toBe(1)
  expect((await readdir(join(home, 'secrets'))).toSorted()).toEqual(
    secretNames.map(name => `${name}.json`).toSorted(),
  )
}, 30_000)
