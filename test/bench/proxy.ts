// What `muniment proxy` adds to a call over HTTP, beside a bare pass-through that records nothing; and what an idle session costs.
import { StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, isListening } from '../lanes/ports.ts'
import { startProgram } from './child.ts'
import type { Figure } from './figure.ts'
import { httpEchoProgram } from './http-echo.ts'
import { newIngestKey } from './ingest-key.ts'
import { clientV1, clientV2, compare, figuresOf, wayOf, type Through, type Way } from './ways.ts'

const require = createRequire(import.meta.url)
const everything = require.resolve('@modelcontextprotocol/server-everything/dist/index.js')

const proxyProgram = `
  import { startProxy } from '@muniment/interceptor/proxy'
  const [options, upstream] = process.argv.slice(1)
  const proxy = await startProxy({ ...JSON.parse(options), routes: [{ upstream: new URL(upstream) }] })
  console.log(proxy.url + '/mcp')`
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
  }).listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port + '/mcp'))`

const sizes = [
  ['64 B', 64],
  ['10 KiB', 10 * 1024],
  ['100 KiB', 100 * 1024],
] as const
const turns = { rounds: 8, callsPerRound: 80 }
const barMs = 1

async function startServer(): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const port = await freePort()
  const child = spawn(process.execPath, [everything, 'streamableHttp'], {
    env: { PORT: String(port) },
    stdio: 'ignore',
  })
  while (!(await isListening(port))) await sleep(50)
  return { child, url: `http://127.0.0.1:${port}/mcp` }
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

async function idleChannel(options: string): Promise<Figure> {
  const { line, child } = await startProgram(idleProgram, [options], ['--expose-gc'])
  child.kill('SIGKILL')
  const [value, barBytes] = [Number(line), 4096]
  const name = 'memory of an idle observed channel'
  return { name, value, unit: 'B', reference: barBytes, ratio: value / barBytes }
}

/** A server, and how its clients connect. */
interface Subject {
  readonly name: string
  readonly url: string
  readonly child: ChildProcess
  readonly connect: (url: string, through: Through) => Promise<Way>
}

async function startSubjects(): Promise<Subject[]> {
  const [own, echo] = [await startServer(), await startProgram(httpEchoProgram)]
  return [
    {
      name: 'v1',
      ...own,
      connect: async (url, through) => wayOf(through, await clientV1(new HttpV1(new URL(url)))),
    },
    {
      name: 'v2',
      child: echo.child,
      url: echo.line,
      connect: async (url, through) => wayOf(through, await clientV2(new HttpV2(new URL(url)))),
    },
  ]
}

async function measure({ name, url, connect }: Subject, options: string): Promise<Figure[]> {
  const bare = await startProgram(bareProgram, [url])
  const proxy = await startProgram(proxyProgram, [options, url])
  const ways = [
    await connect(url, { name: 'nothing' }),
    await connect(bare.line, { ...bare, name: 'a bare pass-through' }),
    await connect(proxy.line, { ...proxy, name: 'proxy' }),
  ] as const
  const out: Figure[] = []
  for (const [size, bytes] of sizes) {
    await compare(ways, bytes, turns)
    out.push(...figuresOf(`${name} ${size}`, ways, barMs))
  }
  for (const { close } of ways) await close()
  for (const { child } of [proxy, bare]) child.kill('SIGKILL')
  return out
}

/** Runs the suite against server-everything and a server of SDK v2: direct, through a bare pass-through, and through the proxy. */
export async function run(): Promise<Figure[]> {
  const home = await mkdtemp(join(tmpdir(), 'muniment-bench-'))
  const options = JSON.stringify({ home, bus: 'embedded:', ingestKey: newIngestKey() })
  const out: Figure[] = []
  const subjects = await startSubjects()
  for (const subject of subjects) out.push(...(await measure(subject, options)))
  for (const { child } of subjects) child.kill('SIGKILL')
  out.push(await idleChannel(options))
  await rm(home, { recursive: true, force: true, maxRetries: 10 })
  return out
}
