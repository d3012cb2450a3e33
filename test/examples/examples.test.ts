import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openEmbedded } from '../e2e/embedded.ts'
import type { Installation } from '../e2e/installation.ts'
import { runProgram } from '../lanes/cache.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))
const stories = readdirSync(folder, { withFileTypes: true })
  .filter(entry => entry.isDirectory())
  .map(({ name }) => name)

let it: Installation
beforeAll(async () => {
  it = await openEmbedded()
}, 60_000)
afterAll(async () => {
  await it[Symbol.asyncDispose]()
}, 60_000)

test.each(stories)(
  'the example %s works as it says',
  async story => {
    await runProgram(process.execPath, [join(folder, story, 'main.ts')], { ...it.interceptor })
  },
  90_000,
)

function codeOf(line: string): string {
  return line.replace(/\s*\/\/.*$/u, '').trim()
}

test('every line of TypeScript in the README stands in an example that runs', () => {
  const readme = readFileSync(join(folder, '../../README.md'), 'utf8')
  const blocks = Array.from(readme.matchAll(/```ts\n([^]*?)```/gu), ([, block = '']) => block)
  const lines = blocks.flatMap(block => block.split('\n').map(codeOf)).filter(line => line !== '')
  const written = stories.map(story => readFileSync(join(folder, story, 'main.ts'), 'utf8')).join('\n')
  const known = new Set(written.split('\n').map(codeOf))
  expect(lines.length).toBeGreaterThan(3)
  expect(lines.filter(line => !known.has(line))).toEqual([])
})
