import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { InMemoryTransport as MemoryV1 } from '@modelcontextprotocol/sdk/inMemory.js'
import { InMemoryTransport as MemoryV2 } from '@modelcontextprotocol/server'
import { expect, test, vi } from 'vitest'
import { hostOf } from '../src/host.ts'
import { tap } from '../src/index.ts'
import { readSettings } from '../src/main-env.ts'
import { chance, expectOneEach, heapBytes, request, saying, type Chance } from './chance.ts'
import { openLab, programEnv, type Lab, type Seen } from './support.ts'

// The law of the core (interleavings.lane.test.ts) over what carries messages: the transports in memory of both SDK lines, and the pipes of wrap.

vi.setConfig({ testTimeout: 120_000 })

interface Wire {
  start(): Promise<void>
  // A method, for each line of the SDK has a type of its own for messages.
  send(message: object): Promise<void>
  close(): Promise<void>
}
type Pair = readonly [near: Wire, far: Wire]

const pairs: Readonly<Record<string, () => Pair>> = {
  v1: () => MemoryV1.createLinkedPair(),
  v2: () => MemoryV2.createLinkedPair(),
}

/** Two ends that talk, of which one is observed. */
async function connected(make: () => Pair, { home }: Lab): Promise<Pair> {
  const [near, far] = make()
  tap(far, { home })
  for (const end of [near, far]) {
    Object.assign(end, { onmessage: () => undefined })
    await end.start()
  }
  return [near, far]
}

/** Plays until so many requests were sent, and gives what was recorded. */
async function playInMemory(by: Chance, requests: number, make: () => Pair): Promise<Seen[]> {
  await using lab = await openLab()
  const channels = await Promise.all(Array.from({ length: 24 }, async () => await connected(make, lab)))
  for (let step = 0; by.sent.size < requests; step++) {
    const at = by.below(channels.length)
    const end = channels[at]?.[by.below(2)]
    await end?.send(saying(by))
    if (by.below(200) === 0) {
      await end?.close()
      channels[at] = await connected(make, lab)
    }
    if (step % 100 === 0) await setImmediate()
  }
  await hostOf(readSettings({ home: lab.home })).close(30_000)
  return await lab.collect()
}

test.each(Object.entries(pairs))(
  'in memory with %s, of 10,000 requests among answers, cancellations, closings, doubles and strangers each ends exactly once',
  async (line, make) => {
    const by = chance(line === 'v1' ? 11 : 12)
    expectOneEach(await playInMemory(by, 10_000, make), by.sent)
    expect(by.sent.size).toBe(10_000)
  },
)

test.each(Object.entries(pairs))('in memory with %s, memory returns to where it was', async (_, make) => {
  // Nothing of what was recorded is held meanwhile.
  const play = async (by: Chance, requests: number): Promise<boolean> =>
    (await playInMemory(by, requests, make)).length > requests
  await play(chance(13), 3000)
  const before = heapBytes()
  expect(await play(chance(14), 10_000)).toBe(true)
  // 10,000 requests, of which each that stayed would keep half a kilobyte and more.
  expect(heapBytes() - before).toBeLessThan(2 * 1024 * 1024)
})

const runner = join(import.meta.dirname, 'wrap-runner.ts')
const echo = join(import.meta.dirname, 'echo-script.ts')

function lineOf(message: unknown): string {
  return `${JSON.stringify(message)}\n`
}

/** A message to the server that tells it what to say: now and then several things in one line, as a batch. */
function told(by: Chance): object {
  const spoken = Array.from({ length: by.below(3) }, () => lineOf(saying(by)))
  if (by.below(10) === 0) spoken.push(lineOf([request(by), request(by)]))
  const message = saying(by)
  return { ...(Array.isArray(message) ? request(by) : message), script: { say: spoken.join('') } }
}

/** The same text in pieces of any size. */
function* pieces(text: string, { below }: Chance): Generator<Buffer> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + below(3000)
    yield bytes.subarray(at, end)
    at = end
  }
}

const endings: Readonly<Record<string, { readonly last: string; readonly code: number }>> = {
  'the client closes': { last: '', code: 0 },
  'the server ends': {
    last: lineOf({ jsonrpc: '2.0', method: 'notifications/end', script: { exit: 3 } }),
    code: 3,
  },
}

test.each(Object.entries(endings))(
  'under wrap, of 5,000 requests either way each ends exactly once, where %s',
  async (_, { last, code }) => {
    await using lab = await openLab()
    const by = chance(code + 21)
    const lines: string[] = []
    while (by.sent.size < 5000) lines.push(lineOf(told(by)))
    const child = spawn(
      process.execPath,
      [runner, JSON.stringify({ home: lab.home }), process.execPath, echo],
      { stdio: ['pipe', 'pipe', 'inherit'], env: programEnv },
    )
    child.stdout.resume()
    for (const piece of pieces(lines.join('') + last, by))
      if (!child.stdin.write(piece)) await once(child.stdin, 'drain')
    if (last === '') child.stdin.end()
    expect(await once(child, 'exit')).toEqual([code, null])
    expectOneEach(await lab.collect(), by.sent)
  },
)
