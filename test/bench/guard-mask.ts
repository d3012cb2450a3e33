// What masking before the model adds to a call in process, by what its answer holds.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { attach } from '@muniment/interceptor'
import { maskBeforeModel, type GuardPart } from '@muniment/interceptor/guard'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Figure } from './figure.ts'
import { newIngestKey } from './ingest-key.ts'

const info = { name: 'bench', version: '0' }
const prose = 'The quick brown fox jumps over the lazy dog, and nobody minds it at all. '
const person = JSON.stringify({
  name: 'Ada Lovelace',
  mail: 'ada@example.org',
  phone: '+1 415 555 2671',
  card: '4111 1111 1111 1111',
})
const answers = {
  'nothing in 64 B': prose.slice(0, 64),
  'nothing in 10 KiB': prose.repeat(141).slice(0, 10_240),
  'four finds in 1 KiB': `${person}${prose.repeat(13)}`.slice(0, 1024),
  'forty finds in 10 KiB': Array.from({ length: 10 }, () =>
    `${person}${prose.repeat(13)}`.slice(0, 1024),
  ).join('\n'),
}
type Answer = keyof typeof answers
const names: readonly Answer[] = [
  'nothing in 64 B',
  'nothing in 10 KiB',
  'four finds in 1 KiB',
  'forty finds in 10 KiB',
]

/** A loop of calls in memory leaves the event loop no turn: nothing may be dropped meanwhile. */
const ringMaxBytes = 512 * 1024 * 1024
const rounds = 10
const callsPerRound = 200

type Call = (answer: Answer) => Promise<unknown>

async function open(home: string, guard?: GuardPart): Promise<Call> {
  const server = new McpServer(info)
  const given = z.enum(names)
  server.registerTool('give', { inputSchema: { given } }, args => ({
    content: [{ type: 'text', text: answers[args.given] }],
  }))
  const [near, far] = InMemoryTransport.createLinkedPair()
  await attach(server, { home, ringMaxBytes, ...(guard && { guard }) }).connect(far)
  const client = new Client(info)
  await client.connect(near)
  return answer => client.callTool({ name: 'give', arguments: { given: answer } })
}

async function timesUs(call: Call, answer: Answer): Promise<readonly number[]> {
  const times: number[] = []
  for (let n = 0; n < callsPerRound; n++) {
    const start = performance.now()
    await call(answer)
    times.push((performance.now() - start) * 1000)
  }
  return times
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? NaN
}

/** The two take turns, so that both meet the same noise; the first round only warms them up. */
async function compare(off: Call, on: Call, answer: Answer): Promise<readonly [number, number]> {
  const [without, withMask]: [number[], number[]] = [[], []]
  for (let round = 0; round <= rounds; round++) {
    const times = [await timesUs(off, answer), await timesUs(on, answer)]
    if (round === 0) continue
    without.push(...(times[0] ?? []))
    withMask.push(...(times[1] ?? []))
  }
  return [median(without), median(withMask)]
}

/** Figures of masking: what it adds to the median call, beside the call without it. */
export async function maskFigures(): Promise<readonly Figure[]> {
  const home = await mkdtemp(join(tmpdir(), 'muniment-bench-'))
  await writeFile(join(home, 'ingest.pub'), newIngestKey())
  const [off, on] = [await open(home), await open(home, maskBeforeModel())]
  const figures: Figure[] = []
  for (const name of names) {
    const [reference, masked] = await compare(off, on, name)
    figures.push({
      name: `masking adds p50, ${name}`,
      value: masked - reference,
      unit: 'µs',
      reference,
      ratio: masked / reference,
    })
  }
  await rm(home, { recursive: true, force: true, maxRetries: 10 })
  return figures
}
