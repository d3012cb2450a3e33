// What `muniment wrap` adds to a call over stdio, beside a bare pass-through that records nothing.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newIngestKey } from './ingest-key.ts'
import type { Figure } from './figure.ts'

const require = createRequire(import.meta.url)
const everything = require.resolve('@modelcontextprotocol/server-everything/dist/index.js')
const server = [process.execPath, everything, 'stdio']

const wrapProgram = `
  import { wrapStdio } from '@muniment/interceptor/stdio'
  const [options, command, ...args] = process.argv.slice(1)
  process.exitCode = await wrapStdio({ ...JSON.parse(options), command, args })`
const bareProgram = `
  import { spawn } from 'node:child_process'
  const [command, ...args] = process.argv.slice(1)
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  process.stdin.pipe(child.stdin)
  child.stdout.pipe(process.stdout)`

const sizes = [
  ['64 B', 64],
  ['10 KiB', 10 * 1024],
] as const
const rounds = 10
const callsPerRound = 150

interface Way {
  readonly name: string
  readonly client: Client
  readonly timesMs: number[]
}

async function start(name: string, command: readonly string[]): Promise<Way> {
  const client = new Client({ name: 'bench', version: '0' })
  const [program = '', ...args] = command
  await client.connect(
    new StdioClientTransport({ command: program, args, cwd: import.meta.dirname, stderr: 'ignore' }),
  )
  return { name, client, timesMs: [] }
}

async function play({ client, timesMs }: Way, message: string): Promise<void> {
  for (let n = 0; n < callsPerRound; n++) {
    const begin = performance.now()
    await client.callTool({ name: 'echo', arguments: { message } })
    timesMs.push(performance.now() - begin)
  }
}

function at({ timesMs }: Way, share: number): number {
  return timesMs.toSorted((a, b) => a - b)[Math.floor(timesMs.length * share)] ?? NaN
}

function figure(name: string, way: Way, direct: Way): Figure[] {
  return [0.5, 0.99].map(share => ({
    name: `${name}: added by ${way.name}, p${share * 100}`,
    value: at(way, share) - at(direct, share),
    unit: 'ms',
    reference: at(direct, share),
    ratio: at(way, share) / at(direct, share),
  }))
}

/** The ways take turns, so that all meet the same noise. */
async function compare(ways: readonly Way[], message: string): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const way of ways) {
      if (round <= 1) way.timesMs.length = 0
      await play(way, message)
    }
  }
}

/** Runs the suite against server-everything: direct, through a bare pass-through, and wrapped. */
export async function run(): Promise<Figure[]> {
  const home = await mkdtemp(join(tmpdir(), 'muniment-bench-'))
  const options = JSON.stringify({ home, bus: 'embedded:', ingestKey: newIngestKey() })
  const inline = [process.execPath, '--input-type=module', '-e']
  const direct = await start('nothing', server)
  const bare = await start('a bare pass-through', [...inline, bareProgram, '--', ...server])
  const wrapped = await start('wrap', [...inline, wrapProgram, '--', options, ...server])
  const out: Figure[] = []
  for (const [size, bytes] of sizes) {
    await compare([direct, bare, wrapped], 'x'.repeat(bytes))
    out.push(...figure(size, wrapped, direct), ...figure(size, bare, direct))
  }
  for (const { client } of [direct, bare, wrapped]) await client.close()
  await rm(home, { recursive: true, force: true, maxRetries: 10 })
  return out
}
