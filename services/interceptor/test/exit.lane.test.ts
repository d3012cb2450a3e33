import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openLab, programEnv, story, type Lab } from './support.ts'

// Whole programs are started here, also on machines that are busy.
vi.setConfig({ testTimeout: 30_000 })

const program = fileURLToPath(new URL('program.ts', import.meta.url))

let lab: Lab
beforeEach(async () => {
  lab = await openLab()
})
afterEach(() => lab[Symbol.asyncDispose]())

describe('an observed process', () => {
  test.each([
    ['runs out of work', ['none'], [0, null]],
    ['calls process.exit', ['exit'], [3, null]],
    ['throws', ['throw'], [1, null]],
    ['gets SIGTERM and does not listen', ['signal'], [null, 'SIGTERM']],
    ['gets SIGTERM and ends by itself', ['signal', 'own'], [5, null]],
  ])('that %s ends as it would without us, and everything is saved', async (_what, args, ending) => {
    const run = spawn(process.execPath, [program, lab.home, ...args], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: programEnv,
    })
    expect(await once(run, 'exit')).toEqual(ending)
    expect((await lab.collect()).map(story)).toEqual([
      'heartbeat start',
      'call initialize ok',
      'notification notifications/initialized',
      'call tools/call echo ok',
      'heartbeat end',
    ])
  })
})

test('an observed process that ends itself on SIGTERM where nobody else listens does so, and what it did is saved', async () => {
  const run = spawn(process.execPath, [program, lab.home, 'signal', 'alone'], {
    stdio: 'ignore',
    env: programEnv,
  })
  expect(await once(run, 'exit')).toEqual([null, 'SIGTERM'])
  // Nobody could tell that this was the end, so the lane stays open.
  expect((await lab.collect()).map(story).at(-1)).toBe('call tools/call echo ok')
})

test('the door loads no Kafka, AWS or logging client', async () => {
  const probe = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    await import('@muniment/interceptor')
    console.log(loaded.join('\\n'))`
  const run = spawn(process.execPath, ['--input-type=module', '-e', probe], {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const chunks: string[] = []
  run.stdout.on('data', chunk => chunks.push(String(chunk)))
  await once(run, 'close')
  const loaded = chunks.join('').trim().split('\n')
  expect(loaded.some(url => url.endsWith('/interceptor/src/index.ts'))).toBe(true)
  expect(loaded.filter(url => /kafkajs|aws-sdk|smithy|pino|modelcontextprotocol|duckdb/u.test(url))).toEqual(
    [],
  )
})

test('the version in events is that of the package', async () => {
  const { version } = await import('../src/version.ts')
  const manifest: unknown = JSON.parse(await readFile(join(import.meta.dirname, '../package.json'), 'utf8'))
  expect(manifest).toMatchObject({ version })
})
