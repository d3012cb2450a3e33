// A laptop that reaches no broker: it is enrolled, wraps a server, and sends what was sealed to the collector over HTTPS.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { inherited } from '../../lanes/environment.ts'
import { freePort } from '../../lanes/ports.ts'
import { recorded } from '../recorded.ts'

const muniment = fileURLToPath(import.meta.resolve('../../../services/cli/bin/muniment.mjs'))
const everything = fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'))
const folder = mkdtempSync(join(tmpdir(), 'muniment-laptop-'))
const [cert, key] = [join(folder, 'collector.pem'), join(folder, 'collector.key')]
const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1']
const subject = ['-subj', '/CN=collector', '-addext', 'subjectAltName=IP:127.0.0.1']
execFileSync('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', cert, ...subject], {
  stdio: 'ignore',
})

// In the data centre, where the bus is:
const run = (...args: string[]): string =>
  execFileSync(process.execPath, [muniment, ...args], { encoding: 'utf8', env: inherited({}) })
const enrolled = JSON.parse(run('keys', 'device', 'add', 'laptop-7', '--json'))
const { ingest_key: ingestKey } = JSON.parse(run('keys', 'ingest', '--json'))
const controlKeys = run('keys', 'control').trim().replaceAll('\n', ',')
const address = `127.0.0.1:${await freePort()}`
const collector = spawn(process.execPath, [muniment, 'run', 'collector'], {
  stdio: ['ignore', 'inherit', 'pipe'],
  env: inherited({
    MUNIMENT_COLLECTOR_LISTEN: address,
    MCP_TLS_CERT: cert,
    MCP_TLS_KEY: key,
    MUNIMENT_CONTROL_KEY: controlKeys,
  }),
})
for await (const line of createInterface(collector.stderr)) if (line.includes('collector.listening')) break
collector.stderr.resume()

// On the laptop:
const laptop = {
  PATH: process.env['PATH'] ?? '', // oxlint-disable-line node/no-process-env -- examples are programs
  MUNIMENT_HOME: join(folder, 'home'),
  MUNIMENT_BUS: `https://${address}`,
  MUNIMENT_DEVICE: enrolled.device,
  MUNIMENT_DEVICE_KEY: enrolled.key,
  MUNIMENT_DEVICE_CA_FILE: cert,
  MUNIMENT_INGEST_KEY: ingestKey,
  MUNIMENT_CONTROL_KEY: controlKeys,
}
const wrap = [muniment, 'wrap', '--enforce', '--server-name', 'everything', '--']
const args = [...wrap, process.execPath, everything, 'stdio']
const client = new Client({ name: 'example-laptop', version: '1.0.0' })
await client.connect(new StdioClientTransport({ command: process.execPath, args, env: laptop }))
await client.callTool({ name: 'echo', arguments: { message: 'write to ada@example.com' } })

// What the data centre decides reaches the laptop the same way, signed.
run('block', 'tool', 'everything/get-sum', '--reason', 'under review', '--for', '5m')
const sum = async (): Promise<string> =>
  client.callTool({ name: 'get-sum', arguments: { a: 2, b: 3 } }).then(
    () => 'answered',
    (error: unknown) => String(error),
  )
const untilMs = Date.now() + 20_000
while ((await sum()) === 'answered') assert.ok(Date.now() < untilMs, 'the block never reached the laptop')
assert.match(await sum(), /ACCESS_DENIED/u)
run('unblock', 'tool', 'everything/get-sum', '--reason', 'looked at')
await client.close()

const event = await recorded('example-laptop', 'echo')
assert.match(event.source.instance, /^laptop-7\.[0-9a-f]{16}$/u)
assert.match(JSON.stringify(event.request?.body), /write to \[EMAIL\]/u)

collector.kill()
assert.deepEqual(await once(collector, 'exit'), [0, null])
rmSync(folder, { recursive: true, maxRetries: 10 })
process.exit(0)
