import { execFile, execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { inherited } from '../lanes/environment.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openApp } from './app.ts'

// The packages as they are published: on the Node of this machine, as a program, and by their types.

const root = fileURLToPath(new URL('../../', import.meta.url))
const run = promisify(execFile)
let app = ''

/** The Node of this machine, which may be older than the one this checkout brings. */
function machineNode(): string {
  const folders = (inherited()['PATH'] ?? '')
    .split(delimiter)
    .filter(folder => !folder.includes('node_modules'))
  return folders.map(folder => join(folder, 'node')).find(file => existsSync(file)) ?? process.execPath
}

beforeAll(() => {
  app = openApp()
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
