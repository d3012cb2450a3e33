// What observing a call in process costs, ours beside others: `npm run bench -- intercept-rivals`. They are installed into a folder outside the
// repository, and each sends what it gathers to a server in a process of its own, which counts what comes.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { attach } from '@muniment/interceptor'
import type { Figure } from './figure.ts'
import { newIngestKey } from './ingest-key.ts'
import { compare, figures, v1, v2, type Observe } from './intercept.ts'

const packages = ['@sentry/node@11.12.0', 'agentcat@1.0.1', '@modelcontextprotocol/sdk@1.32.2', 'zod@4.6.7']
const sizes = [
  ['64 B', 64],
  ['10 KiB', 10 * 1024],
  ['100 KiB', 100 * 1024],
] as const
/** Two of them warm up. Some of the others take a hundred times as long as the call. */
const rounds = 5
const lines = [
  ['v1', v1],
  ['v2', v2],
] as const

const folder = join(tmpdir(), 'muniment-bench-rivals')

function install(): void {
  if (existsSync(join(folder, 'node_modules', 'agentcat'))) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', ...packages]
  const { status, stderr } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`npm cannot install the rivals: ${stderr.slice(-500)}`)
}

const sinkProgram = `
let bytes = 0
const server = require('node:http').createServer((request, response) => {
  if (request.url === '/bytes') return response.end(String(bytes))
  request.on('data', chunk => (bytes += chunk.length))
  request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'))
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))`

interface Sink extends Disposable {
  readonly port: string
  /** How much has come so far: who sends nothing observes nothing. */
  readonly bytes: () => Promise<number>
}

async function startSink(): Promise<Sink> {
  const child: ChildProcess = spawn(process.execPath, ['-e', sinkProgram], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (child.stdout === null) throw new Error('The sink says nothing.')
  const [port] = await once(createInterface(child.stdout), 'line')
  return {
    port: String(port),
    bytes: async () => Number(await (await fetch(`http://127.0.0.1:${port}/bytes`)).text()),
    [Symbol.dispose]: () => child.kill(),
  }
}

/** A tap that does nothing: what none of them can go below. */
function bare<T extends object>(server: T): T {
  const inner: unknown = Reflect.get(server, 'server')
  const protocol = typeof inner === 'object' && inner !== null ? inner : server
  const connect: unknown = Reflect.get(protocol, 'connect')
  if (typeof connect !== 'function') throw new Error('No server.')
  Reflect.set(protocol, 'connect', (transport: object) => {
    const send: unknown = Reflect.get(transport, 'send')
    if (typeof send === 'function')
      Reflect.set(transport, 'send', (...args: unknown[]) => Reflect.apply(send, transport, args))
    return Reflect.apply(connect, protocol, [transport])
  })
  return server
}

interface Contender {
  readonly name: string
  readonly observe: Observe
  readonly sink?: Sink
}

/** Each has a process of its own: what it does to that must not reach the others. */
type Open = () => Promise<Contender>

function callable(from: object, name: string): (...args: unknown[]) => unknown {
  const found: unknown = Reflect.get(from, name)
  if (typeof found !== 'function') throw new Error(`${name} is no function.`)
  return (...args) => Reflect.apply(found, from, args)
}

function openAgentCat(load: NodeJS.Require): Open {
  return async () => {
    const sink = await startSink()
    const track = callable(load('agentcat'), 'track')
    const options = {
      apiBaseUrl: `http://127.0.0.1:${sink.port}`,
      disableDiagnostics: true,
      enableReportMissing: false,
      enableToolCallContext: false,
    }
    return { name: 'AgentCat', sink, observe: server => (track(server, 'proj_bench', options), server) }
  }
}

function openSentry(load: NodeJS.Require): Open {
  return async () => {
    const sink = await startSink()
    const sentry: object = load('@sentry/node')
    callable(sentry, 'init')({ dsn: `http://key@127.0.0.1:${sink.port}/1`, tracesSampleRate: 1 })
    const wrap = callable(sentry, 'wrapMcpServerWithSentry')
    return { name: 'Sentry', sink, observe: server => (wrap(server), server) }
  }
}

async function measure({ name, observe, sink }: Contender): Promise<Figure[]> {
  const out: Figure[] = []
  for (const [line, make] of lines) {
    const before = await sink?.bytes()
    const [base, observed] = [await make(server => server), await make(observe)]
    for (const [size, bytes] of sizes) {
      const text = 'lorem ipsum dolor sit amet '.repeat(bytes / 27 + 1).slice(0, bytes)
      out.push(...figures(`${line} ${size}, ${name}`, await compare(base, observed, { text, rounds })))
    }
    if (sink === undefined || before === undefined) continue
    // What is sent in batches may be under way still.
    await new Promise(resolve => setTimeout(resolve, 6000))
    const sent = (await sink.bytes()) - before
    out.push({ name: `${line}, ${name}: sent in all`, value: sent / 1024, unit: 'KiB' })
  }
  return out
}

function openOurs(home: string): Open {
  const options = { home, bus: 'embedded:', ingestKey: newIngestKey(), ringMaxBytes: 512 * 1024 * 1024 }
  return async () => ({ name: 'Muniment', observe: server => attach(server, options) })
}

function openOf(name: string, home: string): Open {
  const load = createRequire(join(folder, 'package.json'))
  if (name === 'sentry') return openSentry(load)
  if (name === 'agentcat') return openAgentCat(load)
  if (name === 'muniment') return openOurs(home)
  return async () => ({ name: 'bare pass-through', observe: bare })
}

const marker = 'figures: '

/** What one contender's process does. */
async function compete(name: string): Promise<never> {
  const home = await mkdtemp(join(tmpdir(), 'muniment-bench-'))
  const contender = await openOf(name, home)()
  const found = await measure(contender)
  contender.sink?.[Symbol.dispose]()
  await rm(home, { recursive: true, force: true, maxRetries: 10 })
  process.stdout.write(`${marker}${JSON.stringify(found)}\n`, () => process.exit(0))
  return new Promise(() => undefined)
}

async function figuresOf(name: string): Promise<Figure[]> {
  const self = import.meta.filename
  const child = spawn(process.execPath, [self, name], { stdio: ['ignore', 'pipe', 'ignore'] })
  for await (const line of createInterface(child.stdout))
    if (line.startsWith(marker)) return JSON.parse(line.slice(marker.length))
  throw new Error(`${name} brought no figures.`)
}

/** Runs the suite: each against the same calls unobserved, in a process of its own. */
export async function run(): Promise<Figure[]> {
  install()
  const out: Figure[] = []
  for (const name of ['bare', 'muniment', 'agentcat', 'sentry']) out.push(...(await figuresOf(name)))
  return out
}

const [, program, asked] = process.argv
if (program === import.meta.filename && asked !== undefined) await compete(asked)
