import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { openState } from '../src/index.ts'

interface Counting {
  readonly counted: string[]
  readonly ended: Promise<unknown>
  readonly kill: () => void
}

function count(dir: string, times: number): Counting {
  const program = fileURLToPath(new URL('counter.ts', import.meta.url))
  const child = spawn(process.execPath, [program, dir, String(times)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const counted: string[] = []
  createInterface(child.stdout).on('line', line => counted.push(line))
  return { counted, ended: once(child, 'close'), kill: () => child.kill('SIGKILL') }
}

test('the state in a folder loses no step of three processes that count at once, one of them killed on the way', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'muniment-state-'))
  onTestFinished(async () => await rm(dir, { recursive: true, force: true, maxRetries: 10 }))
  const steady = [count(dir, 150), count(dir, 150)]
  const victim = count(dir, 100_000)
  await steady[0]?.ended
  victim.kill()
  await Promise.all([...steady, victim].map(async each => await each.ended))
  await using state = await openState({ kind: 'file', dir })
  const total = Number(Buffer.from((await state.get('counter'))?.value ?? []).toString())
  const all = [...steady, victim].flatMap(each => each.counted)
  expect(new Set(all).size).toBe(all.length)
  // The victim may have died between its last step and the line that tells of it.
  expect(total - all.length).toBeGreaterThanOrEqual(0)
  expect(total - all.length).toBeLessThanOrEqual(1)
}, 30_000)
