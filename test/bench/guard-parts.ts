// What a guard adds to a call in process: one that minds nothing, and one with every part that needs no other process.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { attach } from '@muniment/interceptor'
import {
  authorise,
  enforceDecisions,
  limit,
  reduceErrors,
  validate,
  type GuardPart,
} from '@muniment/interceptor/guard'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Figure } from './figure.ts'
import { newIngestKey } from './ingest-key.ts'

type Call = () => Promise<unknown>

const info = { name: 'bench', version: '0' }
const rounds = 12
const callsPerRound = 250

const policy = `
  @id("all") permit (principal, action, resource);
  @id("some") forbid (principal, action, resource) when { context.shape.count > 40 };`

/** Who may do what, by roles or by Cedar, of somebody whom nobody verified. */
async function rulesIn(home: string): Promise<{ readonly roles: GuardPart; readonly cedar: GuardPart }> {
  const file = join(home, 'bench.cedar')
  await writeFile(file, policy)
  const roles = { needs: { read: { tools: ['write'] } }, anonymous: 'viewer' } as const
  return { roles: authorise(roles), cedar: authorise({ ...roles, policies: { files: [file] } }) }
}

/** `isNew`: no two calls are the same, so that no answer is known already. */
async function open(home: string, guard: readonly GuardPart[], isNew = false): Promise<Call> {
  const server = attach(new McpServer(info), { home, guard })
  const inputSchema = { path: z.string(), lines: z.number().int(), text: z.string() }
  server.registerTool('write', { inputSchema }, ({ text }) => ({ content: [{ type: 'text', text }] }))
  const [near, far] = InMemoryTransport.createLinkedPair()
  await server.connect(far)
  const client = new Client(info)
  await client.connect(near)
  await client.listTools()
  const params = { name: 'write', arguments: { path: 'a/b.txt', lines: 3, text: 'x'.repeat(256) } }
  if (!isNew) return () => client.callTool(params)
  let length = 0
  // The shape of the arguments differs, which is what the policy looks at.
  const text = (): string => 'x'.repeat(256 + (length++ % 5000))
  return () => client.callTool({ ...params, arguments: { ...params.arguments, text: text() } })
}

function middle(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? NaN
}

async function play(call: Call): Promise<number[]> {
  const times: number[] = []
  for (let count = 0; count < callsPerRound; count++) {
    const start = performance.now()
    await call()
    times.push((performance.now() - start) * 1000)
  }
  return times
}

/** All take turns, so that all meet the same noise; the first rounds only warm up. */
async function timed(calls: readonly Call[]): Promise<readonly number[]> {
  const times = calls.map((): number[] => [])
  for (let round = 0; round < rounds; round++)
    for (const [index, call] of calls.entries()) {
      const played = await play(call)
      if (round > 1) times[index]?.push(...played)
    }
  return times.map(middle)
}

const permissive: GuardPart = {
  stage: 'authorise',
  open: () => ({ request: () => undefined, response: () => undefined, other: () => undefined }),
}
const all: readonly GuardPart[] = [
  limit({
    rules: [{ per: ['principal', 'tool'], amount: 1e9, windowMs: 60_000 }],
    concurrent: [{ per: 'principal', most: 100 }],
  }),
  validate(),
  reduceErrors(),
]

/** p50 of a call beside that of the same server, observed but not guarded; the bar is that of all parts except masking. */
export async function partFigures(): Promise<readonly Figure[]> {
  const home = await mkdtemp(join(tmpdir(), 'muniment-bench-'))
  await writeFile(join(home, 'ingest.pub'), newIngestKey())
  try {
    const { roles, cedar } = await rulesIn(home)
    const most = [...all, enforceDecisions()]
    const guards = [[], [permissive], all, [...most, roles], [...most, cedar]]
    const calls = await Promise.all(guards.map(guard => open(home, guard)))
    calls.push(await open(home, [...most, cedar], true))
    const [base = NaN, minds = NaN, guarded = NaN, byRole = NaN, known = NaN, unknown = NaN] =
      await timed(calls)
    const added = (name: string, value: number): Figure => ({
      name,
      value: value - base,
      unit: 'µs',
      reference: 50,
      ratio: (value - base) / 50,
    })
    return [
      { name: 'a call, observed, p50', value: base, unit: 'µs' },
      added('a guard that minds nothing adds, p50', minds),
      added('limit, validate and errors add, p50', guarded),
      added('these, decisions and roles add, p50', byRole),
      added('these, decisions, roles and Cedar add, p50, asked before', known),
      added('the same, p50, each call another', unknown),
    ]
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 10 })
  }
}
