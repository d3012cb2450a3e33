// What `muniment proxy` adds to a call over HTTP, beside a bare pass-through that records nothing; and what an idle session costs.
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort, isListening } from '../lanes/ports.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Figure } from './figure.ts'
import { newIngestKey } from './ingest-key.ts'
import { added, compare, openWay } from './ways.ts'

const require = createRequire(import.meta.url)
const everything = require.resolve('@modelcontextprotocol/server-everything/dist/index.js')

const proxyProgram = `
  import { startProxy } from '@muniment/interceptor/proxy'
  const [options, upstream] = process.argv.slice(1)
  const proxy = await startProxy({ ...JSON.parse(options), routes: [{ upstream: new URL(upstream) }] })
  console.log(proxy.url)`
const bareProgram = `
  import { Agent, createServer, request } from 'node:http'
  const [upstream] = process.argv.slice(1)
  const { hostname, port } = new URL(upstream)
  const agent = new Agent({ keepAlive: true })
  const server = createServer((incoming, response) => {
    const { method, url: path, headers } = incoming
    incoming.pipe(request({ hostname, port, path, method, headers, agent }, answer => {
      response.writeHead(answer.statusCode, answer.headers)
      answer.pipe(response)
    }))
  }).listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port))`

const sizes = [
  ['64 B', 64],
  ['10 KiB', 10 * 1024],
  ['100 KiB', 100 * 1024],
] as const
const turns = { rounds: 8, callsPerRound: 60 }

async function startServer(): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const port = await freePort()
  const child = spawn(process.execPath, [everything, 'streamableHttp'], {
    env: { PORT: String(port) },
    stdio: 'ignore',
  })
  while (!(await isListening(port))) await sleep(50)
  return { child, url: `http://127.0.0.1:${port}/mcp` }
}

async function startProgram(
  program: string,
  args: readonly string[],
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, '--', ...args], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface(child.stdout), 'line')
  return { child, url: `${line}/mcp` }
}

const idleProgram = `
  import { attach } from '@muniment/interceptor'
  import { McpServer, InMemoryTransport } from '@modelcontextprotocol/server'
  const [options] = process.argv.slice(1)
  const kept = []
  const connect = async observe => {
    const server = observe(new McpServer({ name: 'idle', version: '0' }))
    const pair = InMemoryTransport.createLinkedPair()
    await server.connect(pair[0])
    kept.push(server, pair)
  }
  const shared = JSON.parse(options)
  const ways = [server => server, server => attach(server, shared)]
  const used = async observe => {
    global.gc()
    const before = process.memoryUsage().heapUsed
    for (let n = 0; n < 2000; n++) await connect(observe)
    global.gc()
    return (process.memoryUsage().heapUsed - before) / 2000
  }
  for (const observe of ways) await connect(observe)
  const bytes = []
  for (const observe of [...ways, ...ways]) bytes.push(await used(observe))
  console.log(bytes[3] - bytes[2])`

async function idleChannelBytes(options: string): Promise<number> {
  const args = ['--expose-gc', '--input-type=module', '-e', idleProgram, '--', options]
  const child = spawn(process.execPath, args, {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface(child.stdout), 'line')
  return Number(line)
}

function transport(url: string): StreamableHTTPClientTransport {
  return new StreamableHTTPClientTransport(new URL(url))
}

/** Runs the suite against server-everything: direct, through a bare pass-through, and through the proxy. */
export async function run(): Promise<Figure[]> {
  const home = await mkdtemp(join(tmpdir(), 'muniment-bench-'))
  const options = JSON.stringify({ home, bus: 'embedded:', ingestKey: newIngestKey() })
  const server = await startServer()
  const bare = await startProgram(bareProgram, [server.url])
  const proxy = await startProgram(proxyProgram, [options, server.url])
  const direct = await openWay('nothing', transport(server.url))
  const ways = [
    await openWay('a bare pass-through', transport(bare.url)),
    await openWay('proxy', transport(proxy.url)),
  ] as const
  const out: Figure[] = []
  for (const [size, bytes] of sizes) {
    await compare([direct, ...ways], bytes, turns)
    for (const way of ways.toReversed()) out.push(...added(size, way, direct))
  }
  for (const { client } of [direct, ...ways]) await client.close()
  for (const { child } of [proxy, bare, server]) child.kill('SIGKILL')
  out.push({ name: 'memory of an idle observed channel', value: await idleChannelBytes(options), unit: 'B' })
  await rm(home, { recursive: true, force: true, maxRetries: 10 })
  return out
}
