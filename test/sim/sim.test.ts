import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'

interface Run {
  readonly code: number
  readonly output: string
}

/** Each run has a process of its own, because it replaces Node's timers. */
async function simulate(...options: readonly string[]): Promise<Run> {
  const main = new URL('main.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [main, ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const [code]: number[] = await once(child, 'close')
  return { code: code ?? -1, output }
}

test('every promise holds in 300 runs, whatever fails', async () => {
  const halves = await Promise.all([
    simulate('--seeds', '150', '--first', '1'),
    simulate('--seeds', '150', '--first', '151'),
  ])
  for (const { code, output } of halves) expect({ code, output }).toMatchObject({ code: 0 })
}, 180_000)

test('a seed gives the same trace whenever it is run', async () => {
  const [first, again] = await Promise.all([simulate('--seed', '7'), simulate('--seed', '7')])
  expect(first.output.split('\n').length).toBeGreaterThan(100)
  expect(again).toEqual(first)
}, 60_000)

describe('it finds out where a promise is broken:', () => {
  test.each([
    ['watermark', /call \d+ is archived \d+ times|nobody opened the lane/u],
    ['if-none-match', /verify: (?:manifest\.chain|log\.manifest)/u],
    [
      'commit-order',
      /a hole was seen|lacks .* without a word|follows|was durable|no alert for|attack \d+ has 0 alerts/u,
    ],
  ])(
    '%s',
    async (sabotage, what) => {
      const { code, output } = await simulate('--seeds', '1000', '--sabotage', sabotage)
      expect(code).toBe(1)
      expect(output).toMatch(what)
      expect(output).toMatch(/replay: npm run sim -- --seed \d+/u)
    },
    120_000,
  )
})
