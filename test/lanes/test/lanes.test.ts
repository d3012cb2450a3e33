import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { install, type Tool } from '../cache.ts'
import { lane } from '../lanes.ts'

let cache = ''

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'muniment-cache-'))
  vi.stubEnv('MUNIMENT_TEST_CACHE', cache)
  vi.stubEnv('MUNIMENT_TEST_INSTALL', '')
  vi.stubEnv('CI', '')
})

afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(cache, { recursive: true, force: true, maxRetries: 10 })
})

test.each(['kafka', 's3', 'secrets'] as const)(
  '%s is skipped with a reason where nothing is installed',
  name => {
    const state = lane(name)
    expect(state).toMatchObject({ isAvailable: false, reason: expect.stringMatching(`^${name} needs `) })
  },
)

test.each(['kafka', 's3', 'secrets', 'browser'] as const)('%s is mandatory where CI is set', name => {
  vi.stubEnv('CI', 'true')
  vi.stubEnv('PATH', '/nowhere')
  expect(lane(name)).toEqual({ isAvailable: true })
})

test('a lane without the programs it needs names them', () => {
  vi.stubEnv('PATH', '/nowhere')
  vi.stubEnv('MUNIMENT_TEST_INSTALL', '1')
  expect(lane('kafka')).toEqual({ isAvailable: false, reason: 'kafka needs mvn, java, openssl' })
})

test('a tool that several ask for at once is made once', async () => {
  let count = 0
  const tool: Tool = {
    name: 'tool-1',
    title: 'a tool',
    make: async target => {
      count++
      await turn()
      writeFileSync(target, 'whole')
    },
  }
  const paths = await Promise.all([1, 2, 3].map(async () => await install(tool, () => undefined)))
  expect(new Set(paths)).toEqual(new Set([join(cache, 'tool-1')]))
  expect(readFileSync(join(cache, 'tool-1'), 'utf8')).toBe('whole')
  expect(count).toBe(1)
})

test('a tool that breaks while it is made leaves nothing behind, and the next try makes it', async () => {
  const broken = new Error('no network')
  const make = vi.fn<Tool['make']>().mockImplementationOnce(async target => {
    writeFileSync(target, 'half')
    await turn()
    throw broken
  })
  make.mockImplementation(async target => {
    await turn()
    writeFileSync(target, 'whole')
  })
  const tool: Tool = { name: 'tool-2', title: 'a tool', make }
  await expect(install(tool, () => undefined)).rejects.toBe(broken)
  expect(readdirSync(cache)).toEqual(['tool-2.lock'])
  expect(readFileSync(await install(tool, () => undefined), 'utf8')).toBe('whole')
})
