import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openEmbedded } from '../e2e/embedded.ts'
import type { Installation } from '../e2e/installation.ts'
import { runProgram } from '../lanes/cache.ts'

const stories = {
  'attach-v1': import.meta.resolve('./attach-v1/main.ts'),
  'attach-v2': import.meta.resolve('./attach-v2/main.ts'),
  collector: import.meta.resolve('./collector/main.ts'),
  'http-express': import.meta.resolve('./http-express/main.ts'),
  'http-fetch': import.meta.resolve('./http-fetch/main.ts'),
  proxy: import.meta.resolve('./proxy/main.ts'),
  wrap: import.meta.resolve('./wrap/main.ts'),
  'guard-mask': import.meta.resolve('./guard-mask/main.ts'),
  alerts: import.meta.resolve('./alerts/main.ts'),
}

let it: Installation
beforeAll(async () => {
  it = await openEmbedded()
}, 60_000)
afterAll(async () => {
  await it[Symbol.asyncDispose]()
}, 60_000)

test.each(Object.entries(stories))(
  'the example %s works as it says',
  async (_, program) => {
    await runProgram(process.execPath, [fileURLToPath(program)], { ...it.interceptor })
  },
  90_000,
)

function codeOf(line: string): string {
  return line.replace(/\s*\/\/.*$/u, '').trim()
}

test('every line of TypeScript in the README stands in an example that runs', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const blocks = Array.from(readme.matchAll(/```ts\n([^]*?)```/gu), ([, block = '']) => block)
  const lines = blocks.flatMap(block => block.split('\n').map(codeOf)).filter(line => line !== '')
  const written = Object.values(stories)
    .map(program => readFileSync(fileURLToPath(program), 'utf8'))
    .join('\n')
  const known = new Set(written.split('\n').map(codeOf))
  expect(lines.length).toBeGreaterThan(3)
  expect(lines.filter(line => !known.has(line))).toEqual([])
})
