// What `muniment wrap` adds to a call over stdio, beside a bare pass-through that records nothing.
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newIngestKey } from './ingest-key.ts'
import type { Figure } from './figure.ts'
import { clientV1, compare, figuresOf, wayOf, type Way } from './ways.ts'

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
  ['100 KiB', 100 * 1024],
] as const
const turns = { rounds: 10, callsPerRound: 150 }
/** Up to 10 KiB. */
const barMs = 0.25

async function start(name: string, command: readonly string[]): Promise<Way> {
  const [program = '', ...args] = command
  const transport = { command: program, args, cwd: import.meta.dirname, stderr: 'ignore' } as const
  return wayOf({ name }, await clientV1(new StdioClientTransport(transport)))
}

/** Runs the suite against server-everything: direct, through a bare pass-through, and wrapped. */
export async function run(): Promise<Figure[]> {
  const home = await mkdtemp(join(tmpdir(), 'muniment-bench-'))
  const options = JSON.stringify({ home, bus: 'embedded:', ingestKey: newIngestKey() })
  const inline = [process.execPath, '--input-type=module', '-e']
  const ways = [
    await start('nothing', server),
    await start('a bare pass-through', [...inline, bareProgram, '--', ...server]),
    await start('wrap', [...inline, wrapProgram, '--', options, ...server]),
  ] as const
  const out: Figure[] = []
  for (const [size, bytes] of sizes) {
    await compare(ways, bytes, turns)
    out.push(...figuresOf(size, ways, bytes <= 10 * 1024 ? barMs : undefined))
  }
  for (const { close } of ways) await close()
  await rm(home, { recursive: true, force: true, maxRetries: 10 })
  return out
}
