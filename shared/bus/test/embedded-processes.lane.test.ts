import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Buffer } from 'node:buffer'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openBus } from '../src/index.ts'

const topic = 'mcp.alerts'
const program = fileURLToPath(new URL('processes/child.ts', import.meta.url))

let dir = ''
let children: ChildProcess[] = []

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'muniment-bus-'))
  children = []
})

afterEach(async () => {
  await Promise.all(children.map(kill))
  await rm(dir, { recursive: true, force: true, maxRetries: 10 })
})

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** Starts a child and collects what it says. */
function start(role: 'produce' | 'consume', name: string) {
  const child = spawn(process.execPath, [program, role, dir, name], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const lines: string[] = []
  const waiting: { readonly isMet: () => boolean; readonly resolve: () => void }[] = []
  createInterface(child.stdout).on('line', line => {
    lines.push(line)
    for (const each of waiting) if (each.isMet()) each.resolve()
  })
  return {
    lines,
    until: (isMet: () => boolean): Promise<void> =>
      isMet() ? Promise.resolve() : new Promise(resolve => void waiting.push({ isMet, resolve })),
    kill: () => kill(child),
  }
}

async function readAll(): Promise<Map<string, number[]>> {
  await using bus = await openBus({ kind: 'embedded', dir })
  const found = new Map<string, number[]>()
  const { signal } = new AbortController()
  for await (const { value } of bus.read({ topic, untilEnd: true, signal })) {
    const [name = '', number] = Buffer.from(value).toString().split('/')
    const numbers = found.get(name) ?? []
    numbers.push(Number(number))
    found.set(name, numbers)
  }
  return found
}

describe('several processes on one folder', { timeout: 60_000 }, () => {
  test('what a producer was told is durable is there after SIGKILL, in order, and others go on', async () => {
    const left = start('produce', 'left')
    const right = start('produce', 'right')
    await left.until(() => left.lines.length >= 30)
    await left.kill()
    const before = right.lines.length
    await right.until(() => right.lines.length >= before + 20)
    await right.kill()
    const found = await readAll()
    for (const { name, lines } of [
      { name: 'left', lines: left.lines },
      { name: 'right', lines: right.lines },
    ]) {
      const numbers = found.get(name) ?? []
      expect(numbers).toEqual(numbers.map((_, index) => index))
      expect(numbers.length).toBeGreaterThan(Number(lines.at(-1)))
    }
  })

  test('members in different processes share partitions; those of a killed one move on within seconds', async () => {
    const producer = start('produce', 'p')
    const other = start('produce', 'q')
    const first = start('consume', 'first')
    await first.until(() => first.lines.includes('assigned 3'))
    const second = start('consume', 'second')
    await second.until(() => second.lines.some(line => line.includes('/')) || second.lines.length > 0)
    await first.until(() => first.lines.filter(line => line.startsWith('assigned')).length >= 2)
    await producer.until(() => producer.lines.length >= 20)
    await first.kill()
    const begin = performance.now()
    await second.until(() => second.lines.includes('assigned 3'))
    expect(performance.now() - begin).toBeLessThan(8000)
    await producer.kill()
    await other.kill()
    await using bus = await openBus({ kind: 'embedded', dir })
    const ends = await bus.describe(topic)
    const total = ends.reduce((sum, { nextOffset }) => sum + nextOffset, 0)
    const seen = new Set(first.lines.filter(line => line.includes('/')))
    let looked = 0
    await second.until(() => {
      for (const line of second.lines.slice(looked)) if (line.includes('/')) seen.add(line)
      looked = second.lines.length
      return seen.size === total
    })
    await second.kill()
    for (const { lines } of [first, second]) {
      for (const { partition } of ends) {
        const offsets = lines
          .filter(line => line.startsWith(`${partition}/`))
          .map(line => Number(line.slice(line.indexOf('/') + 1)))
        const firsts = [...new Set(offsets)]
        expect(firsts).toEqual(firsts.toSorted((a, b) => a - b))
      }
    }
  })
})
