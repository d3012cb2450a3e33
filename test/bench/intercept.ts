// What an attached interceptor costs: latency added to a call in process, and CPU of everything it does for it.
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport as MemoryV1 } from '@modelcontextprotocol/sdk/inMemory.js'
import { McpServer as ServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { Client as ClientV2, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import {
  createMcpHandler,
  InMemoryTransport as MemoryV2,
  McpServer as ServerV2,
} from '@modelcontextprotocol/server'
import { attach, type AttachOptions } from '@muniment/interceptor'
import { z } from 'zod'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newIngestKey } from './ingest-key.ts'
import type { Figure } from './figure.ts'

type Call = (text: string) => Promise<unknown>
export type Observe = <T extends object>(server: T) => T

const info = { name: 'bench', version: '0' }
const plain: Observe = server => server
const sizes = [
  ['64 B', 64],
  ['10 KiB', 10 * 1024],
  ['100 KiB', 100 * 1024],
] as const
const callsPerRound = 250

export async function v1(observe: Observe): Promise<Call> {
  const server = observe(new ServerV1(info))
  server.registerTool('echo', { inputSchema: { text: z.string() } }, ({ text }) => ({
    content: [{ type: 'text', text }],
  }))
  const [near, far] = MemoryV1.createLinkedPair()
  await server.connect(far)
  const client = new ClientV1(info)
  await client.connect(near)
  return text => client.callTool({ name: 'echo', arguments: { text } })
}

function serverV2(): ServerV2 {
  const server = new ServerV2(info)
  server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({
    content: [{ type: 'text', text }],
  }))
  return server
}

export async function v2(observe: Observe): Promise<Call> {
  const [near, far] = MemoryV2.createLinkedPair()
  await observe(serverV2()).connect(far)
  const client = new ClientV2(info)
  await client.connect(near)
  return text => client.callTool({ name: 'echo', arguments: { text } })
}

/** The modern era over HTTP, without the network: a server, and so an attachment, for every request. */
async function http(observe: Observe): Promise<Call> {
  const handler = createMcpHandler(() => observe(serverV2()))
  const fetch = async (input: string | URL, init?: RequestInit): Promise<Response> =>
    await handler.fetch(new Request(input, init))
  const client = new ClientV2(info, { versionNegotiation: { mode: 'auto' } })
  await client.connect(new StreamableHTTPClientTransport(new URL('http://127.0.0.1/mcp'), { fetch }))
  return text => client.callTool({ name: 'echo', arguments: { text } })
}

interface Sample {
  readonly timesUs: number[]
  cpuUs: number
}

async function play(call: Call, text: string, sample: Sample): Promise<void> {
  const before = process.cpuUsage()
  for (let n = 0; n < callsPerRound; n++) {
    const start = performance.now()
    await call(text)
    sample.timesUs.push((performance.now() - start) * 1000)
  }
  // What is done later for these calls belongs to them.
  await new Promise(resolve => setTimeout(resolve, 60))
  const used = process.cpuUsage(before)
  sample.cpuUs += used.user + used.system
}

function at(sample: Sample, share: number): number {
  return sample.timesUs.toSorted((a, b) => a - b)[Math.floor(sample.timesUs.length * share)] ?? NaN
}

/** The two take turns, so that both meet the same noise. */
export async function compare(
  base: Call,
  observed: Call,
  { text, rounds = 10 }: { readonly text: string; readonly rounds?: number },
): Promise<readonly [Sample, Sample]> {
  const samples = [
    { timesUs: [], cpuUs: 0 },
    { timesUs: [], cpuUs: 0 },
  ] as const satisfies readonly [Sample, Sample]
  for (let round = 0; round < rounds; round++) {
    await play(base, text, samples[0])
    await play(observed, text, samples[1])
    if (round > 1) continue
    for (const sample of samples) Object.assign(sample, { timesUs: [], cpuUs: 0 })
  }
  return samples
}

export function figures(name: string, [base, observed]: readonly [Sample, Sample]): Figure[] {
  const calls = base.timesUs.length
  const figure = (what: string, unit: string, of: (sample: Sample) => number): Figure => ({
    name: `${name}: ${what}`,
    value: of(observed) - of(base),
    unit,
    reference: of(base),
    ratio: of(observed) / of(base),
  })
  return [
    figure('added to a call, p50', 'µs', sample => at(sample, 0.5)),
    figure('added to a call, p99', 'µs', sample => at(sample, 0.99)),
    figure('CPU added in all, sealing included', 'µs', sample => sample.cpuUs / calls),
  ]
}

/** Takes connections and never says a word. */
async function startHanging(): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer(() => undefined)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  return { url: `https://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`, server }
}

/** What a bus that hangs adds to a call that does not wait for it, and what a call costs that waits for its record. */
async function delivered(options: AttachOptions): Promise<Figure[]> {
  const { url, server } = await startHanging()
  const text = 'x'.repeat(64)
  const base = await v1(plain)
  const device = { name: 'bench', key: 'none' }
  const hanging = await v1(each => attach(each, { ...options, bus: url, device }))
  const closed = await v1(each => attach(each, { ...options, delivery: 'fail-closed' }))
  const out = [
    ...figures('v1 64 B, a bus that hangs', await compare(base, hanging, { text })),
    ...figures('v1 64 B, fails closed, into the spool', await compare(base, closed, { text })),
  ]
  server.close()
  return out
}

/** Runs the suite: both lines of the SDK, small and large texts, against the same calls unobserved. */
export async function run(): Promise<Figure[]> {
  const home = await mkdtemp(join(tmpdir(), 'muniment-bench-'))
  // A loop of calls in memory leaves the event loop no turn: nothing may be dropped meanwhile, or it would cost nothing.
  const ringMaxBytes = 512 * 1024 * 1024
  const options = { home, bus: 'embedded:', ingestKey: newIngestKey(), ringMaxBytes }
  const out: Figure[] = []
  for (const [line, make] of [
    ['v1', v1],
    ['v2', v2],
    ['v2 HTTP', http],
  ] as const) {
    const [base, observed] = [await make(plain), await make(server => attach(server, options))]
    for (const [size, bytes] of sizes) {
      const text = 'lorem ipsum dolor sit amet '.repeat(bytes / 27 + 1).slice(0, bytes)
      out.push(...figures(`${line} ${size}`, await compare(base, observed, { text })))
    }
  }
  // The worst a disk can do: nothing can ever be written, memory fills up and the newest are dropped.
  const nowhere = {
    ...options,
    home: join(home, 'ingest.pub'),
    ringMaxBytes: 1024 * 1024,
    onProblem: () => undefined,
  }
  await writeFile(nowhere.home, '')
  const [base, stuck] = [await v1(plain), await v1(server => attach(server, nowhere))]
  out.push(
    ...figures('v1 10 KiB, nowhere to write', await compare(base, stuck, { text: 'x'.repeat(10 * 1024) })),
  )
  out.push(...(await delivered({ ...options, onProblem: () => undefined })))
  await rm(home, { recursive: true, force: true, maxRetries: 10 })
  return out
}
