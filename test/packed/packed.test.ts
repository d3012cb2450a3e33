import { execFile, execFileSync } from 'node:child_process'
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { inherited } from '../lanes/environment.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'

// The published form, as somebody has it who installs it: JavaScript in node_modules, nothing of this repository.

const root = fileURLToPath(new URL('../../', import.meta.url))
const run = promisify(execFile)
let app = ''

/** Everything that is not ours comes from this checkout; ours come from the tarballs. */
function installTarballs(): void {
  const modules = join(app, 'node_modules')
  mkdirSync(join(modules, '@muniment'), { recursive: true })
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== '@muniment' && !name.startsWith('.'))
      symlinkSync(join(root, 'node_modules', name), join(modules, name))
  for (const tarball of globSync(join(app, 'out', 'pack', '*.tgz'))) {
    const name = /^muniment-(?<name>[a-z]+)-\d/u.exec(basename(tarball))?.groups?.['name'] ?? ''
    const folder = join(modules, '@muniment', name)
    mkdirSync(folder)
    execFileSync('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1'])
  }
}

/** The Node of this machine, which may be older than the one this checkout brings. */
function machineNode(): string {
  const folders = (inherited()['PATH'] ?? '')
    .split(delimiter)
    .filter(folder => !folder.includes('node_modules'))
  return folders.map(folder => join(folder, 'node')).find(file => existsSync(file)) ?? process.execPath
}

beforeAll(async () => {
  app = await mkdtemp(join(tmpdir(), 'muniment-packed-'))
  execFileSync(process.execPath, ['infra/pack.ts', join(app, 'out')], { cwd: root, stdio: 'pipe' })
  installTarballs()
}, 120_000)

afterAll(() => rmSync(app, { recursive: true, force: true, maxRetries: 10 }))

const observedCall = `
const home = process.argv[2]
attach(server, { home, bus: 'embedded:', ingestKey: process.argv[3], serverName: 'packed' })
const [a, b] = InMemoryTransport.createLinkedPair()
await Promise.all([server.connect(a), client.connect(b)])
const { content } = await client.callTool({ name: 'echo', arguments: { text: 'hello' } })
await client.close()
await server.close()
console.log(content[0].text)
`

const programs = {
  'SDK v1, ESM': `
import { attach } from '@muniment/interceptor'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { z } from 'zod'
const server = new McpServer({ name: 'packed', version: '1.0.0' })
server.registerTool('echo', { inputSchema: { text: z.string() } }, ({ text }) => ({ content: [{ type: 'text', text }] }))
const client = new Client({ name: 'test', version: '1.0.0' })
${observedCall}`,
  'SDK v2, CommonJS': `
const { createRequire } = require('node:module')
const { attach } = require('@muniment/interceptor')
const { McpServer, InMemoryTransport } = require('@modelcontextprotocol/server')
const { Client } = require('@modelcontextprotocol/client')
const { z } = require('zod')
const server = new McpServer({ name: 'packed', version: '1.0.0' })
server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({ content: [{ type: 'text', text }] }))
const client = new Client({ name: 'test', version: '1.0.0' })
;(async () => {${observedCall}})()`,
} as const

const publicKey = `test.${Buffer.alloc(32, 9).toString('base64url')}`

test.each(Object.entries(programs))(
  'on the Node of this machine, a call is observed with %s',
  async (name, source) => {
    const file = join(app, name.endsWith('ESM') ? 'observe.mjs' : 'observe.cjs')
    writeFileSync(file, source)
    const home = await mkdtemp(join(app, 'home-'))
    const { stdout, stderr } = await run(machineNode(), [file, home, publicKey], { cwd: app })
    expect(stderr).toBe('')
    expect(stdout).toBe('hello\n')
    const spooled = globSync(join(home, 'spool', '*', '*.{seg,open}'))
    expect(spooled).not.toEqual([])
    for (const segment of spooled) expect(readFileSync(segment).includes('hello')).toBe(false)
  },
)

/** What the doors for HTTP do on a Node: each of them must hand on the bytes of a call once it is recorded, and none where it cannot be. */
const overHttp = `
import { createServer } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
export async function overHttp({ observeListener, observeExpress, observeFetch }, { startProxy }) {
  const [, , home, ingestKey] = process.argv
  const options = { home, bus: 'embedded:', ingestKey, delivery: { failClosed: ['pay'], deadlineMs: 5000 }, onProblem: () => {} }
  const unwritable = { ...options, home: join(import.meta.filename, 'no-folder'), delivery: { failClosed: ['pay'], deadlineMs: 100 } }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'pay', arguments: { text: 'hello'.repeat(40000) } } })
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body }
  const echo = (request, response) => request.on('error', () => {}).pipe(response)
  const listen = async listener => {
    const server = createServer(listener)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return 'http://127.0.0.1:' + server.address().port + '/mcp'
  }
  const told = async response => (await response.text()) === body ? 'same' : String(response.status)
  const express = (await import('express')).default()
  express.use(observeExpress(options))
  express.post('/mcp', echo)
  const observed = observeFetch(async request => new Response(await request.text()), options)
  const proxy = await startProxy({ ...options, routes: [{ upstream: new URL(await listen(echo)) }] })
  const seen = [
    await told(await fetch(await listen(observeListener(echo, options)), init)),
    await told(await fetch(await listen(express), init)),
    await told(await observed(new Request('http://host/mcp', init))),
    await told(await fetch(new URL('/mcp', proxy.url), init)),
    await told(await fetch(await listen(observeListener(echo, unwritable)), init)),
  ]
  await proxy.close(1000)
  process.stdout.write(seen.join(' '), () => process.exit(0))
}`

const entries = {
  'edge.mjs': `
import * as http from '@muniment/interceptor/http'
import * as proxy from '@muniment/interceptor/proxy'
import { overHttp } from './over-http.mjs'
await overHttp(http, proxy)`,
  'edge.cjs': `
const [http, proxy] = [require('@muniment/interceptor/http'), require('@muniment/interceptor/proxy')]
import('./over-http.mjs').then(({ overHttp }) => overHttp(http, proxy))`,
}

/** The Node of this machine, and others that are named: `MUNIMENT_TEST_NODES=/opt/node22/bin/node:/opt/node26/bin/node`. */
function nodes(): readonly string[] {
  const named = inherited()['MUNIMENT_TEST_NODES'] ?? ''
  return [machineNode(), ...named.split(delimiter).filter(file => file !== '')]
}

test.each(nodes().flatMap(node => Object.entries(entries).map(entry => [node, ...entry] as const)))(
  'on %s, by %s, edges and proxy hand on what is recorded and nothing else',
  async (node, name, source) => {
    writeFileSync(join(app, 'over-http.mjs'), overHttp)
    writeFileSync(join(app, name), source)
    const home = await mkdtemp(join(app, 'home-'))
    const { stdout } = await run(node, [join(app, name), home, publicKey], { cwd: app })
    expect(stdout).toBe('same same same same 500')
  },
)

test('the program does its whole job from the tarballs', async () => {
  const program = join(app, 'node_modules', '@muniment', 'cli', 'bin', 'muniment.mjs')
  const { stderr } = await run(process.execPath, [program, 'up', '--once'], {
    cwd: app,
    env: inherited({ MUNIMENT_HOME: join(app, 'home') }),
  })
  expect(stderr).toContain('None of the planted personal values is in any event.')
  expect(stderr).toContain('Nothing altered, nothing missing.')
}, 120_000)

test('the types that were emitted fit a program that is written against them', () => {
  const options = {
    module: 'nodenext',
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable'],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    types: ['node'],
  }
  writeFileSync(
    join(app, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, files: ['consumer.mts'] }),
  )
  writeFileSync(
    join(app, 'consumer.mts'),
    `import { subscribe } from '@muniment/alerts'
import { openBus } from '@muniment/bus'
import { detect, mask } from '@muniment/pii'
import { classify, createAnomalyDetector } from '@muniment/detector'
import { openArchive, verifyArchive } from '@muniment/archive'
const bus = await openBus({ kind: 'memory' })
for await (const alert of subscribe({ bus, filter: { minSeverity: 'high' } })) console.log(alert.finding_info.title)
const [first] = detect('x')
const score: number | undefined = first?.score
const next: number = createAnomalyDetector().next(0, 1)
console.log(mask('x').length, score, next, classify, openArchive, verifyArchive)
`,
  )
  expect(() =>
    execFileSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', app], { cwd: app, stdio: 'pipe' }),
  ).not.toThrow()
})
