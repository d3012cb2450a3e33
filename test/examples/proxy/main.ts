// A server that somebody else wrote and that speaks HTTP, observed from in front of it: `muniment proxy --upstream URL`.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { inherited } from '../../lanes/environment.ts'
import { freePort } from '../../lanes/ports.ts'
import { recorded } from '../recorded.ts'

const muniment = fileURLToPath(import.meta.resolve('../../../services/cli/bin/muniment.mjs'))
const everything = fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'))

function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: inherited(env) })
}

async function firstLine(stream: NodeJS.ReadableStream | null): Promise<string> {
  assert(stream)
  const [line] = await once(createInterface(stream), 'line')
  return String(line)
}

const port = String(await freePort())
const server = start([everything, 'streamableHttp'], { PORT: port })
await firstLine(server.stderr)
const options = ['--json', '--listen', '127.0.0.1:0', '--server-name', 'everything']
const proxy = start([muniment, 'proxy', ...options, '--upstream', `http://127.0.0.1:${port}/mcp`])
const { url } = JSON.parse(await firstLine(proxy.stdout))

const client = new Client({ name: 'example-proxy', version: '1.0.0' })
await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', url)))
await client.callTool({ name: 'echo', arguments: { message: 'write to ada@example.com' } })
await client.close()

proxy.kill()
assert.deepEqual(await once(proxy, 'exit'), [0, null])
server.kill()

const event = await recorded('example-proxy', 'echo')
assert.equal(event.server?.name, 'everything')
assert.equal(event.transport, 'http')
assert.match(JSON.stringify(event.request?.body), /write to \[EMAIL\]/u)
process.exit(0)
