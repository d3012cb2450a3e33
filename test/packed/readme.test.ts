import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { linesOf } from '../e2e/installation.ts'
import { describeLanes } from '../lanes/lanes.ts'
import { nodePrograms } from '../lanes/nodes.ts'
import { freePort } from '../lanes/ports.ts'
import { exampleLines, putExamples } from './examples.ts'
import { blocksOf, linesIn, newcomer, type Newcomer } from './newcomer.ts'

// What the READMEs show, typed in an empty folder with the packed packages: the first observed call is found by asking.

const root = fileURLToPath(new URL('../../', import.meta.url))
const blocks = blocksOf(new URL('../../README.md', import.meta.url))
const shell = blocks.filter(({ language }) => language === '').flatMap(linesIn)
const typescript = blocks.filter(({ language }) => language === 'ts').map(({ text }) => text)
const patienceMs = 120_000

const asking = [
  'npx muniment query --since 2h --tool read_file',
  'npx muniment query "select',
  'npx muniment show',
  'npx muniment verify',
  'npx muniment prove',
  'npx muniment verify --page',
  'npx muniment mask',
  'npx muniment block',
  'npx muniment keys api create',
]
const observing = [
  'npm install ',
  'npx muniment up',
  'npx muniment wrap --server-name files',
  'npx muniment wrap --fail-closed',
  'npx muniment proxy',
]
/** What goes on until it is stopped, and what needs more than a folder; other tests have them. */
const elsewhere = [
  'npm start',
  'npm test',
  'npx muniment tail',
  'npx muniment mcp',
  'npx muniment alerts --follow',
  'npx muniment keys device add',
  'MUNIMENT_',
  'curl ',
]

const oldest = nodePrograms()[0]?.[1] ?? ''

function lineOf(beginning: string): string {
  const line = shell.find(one => one.startsWith(beginning)) ?? ''
  expect(line, beginning).not.toBe('')
  return line
}

function codeWith(part: string): string {
  const found = typescript.find(text => text.includes(part)) ?? ''
  expect(found, part).not.toBe('')
  return found
}

/** Somebody's server, with the line of the README where it belongs. */
const ownServer = `
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
const server = new McpServer({ name: 'own', version: '1' })
const [, , tool = 'send_mail'] = process.argv
server.registerTool(tool, {}, () => ({ content: [{ type: 'text', text: 'Hello, ada@example.com!' }] }))
${codeWith('attach(server)')}
await server.connect(new StdioServerTransport())
`
const plainServer = ownServer.replace(codeWith('attach(server)'), '')
const expressServer = `
import express from 'express'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
const app = express()
${codeWith('observeExpress')}
app.post('/mcp', express.json(), async (request, response) => {
  const server = new McpServer({ name: 'own', version: '1' })
  server.registerTool(process.argv[3], {}, () => ({ content: [{ type: 'text', text: 'Hello, ada@example.com!' }] }))
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  await server.connect(transport)
  await transport.handleRequest(request, response, request.body)
})
app.all('/mcp', (request, response) => response.sendStatus(405))
app.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'))
`

const row = z.looseObject({
  id: z.string(),
  method: z.string().nullable(),
  target: z.string().nullable(),
  client_name: z.string().nullable(),
})
type Row = z.infer<typeof row>

/** What his client gets that calls a tool. */
async function call(transport: Transport, name: string, args = {}): Promise<string> {
  const client = new Client({ name: 'his', version: '1' })
  await client.connect(transport)
  const answer = await client.callTool({ name, arguments: args })
  await client.close()
  return JSON.stringify(answer)
}

test('every line of the README is typed here or tried elsewhere', () => {
  const known = [...asking, ...observing, ...elsewhere]
  expect(shell.filter(line => !known.some(beginning => line.startsWith(beginning)))).toEqual([])
})

describeLanes(['nodes'], 'in an empty folder', () => {
  let his: Newcomer

  beforeAll(async () => {
    his = newcomer()
    const { folder } = his
    execFileSync(process.execPath, ['infra/pack.ts', join(folder, 'path/to/muniment/dist')], {
      cwd: root,
      stdio: 'pipe',
    })
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
    await his.untilFine(lineOf('npm install '))
    await his.leave(lineOf('npx muniment up'), /muniment verify/u)
    mkdirSync(join(folder, 'docs'))
    writeFileSync(join(folder, 'docs', 'note.txt'), 'a line\n')
    writeFileSync(join(folder, 'report.json'), '{ "from": "ada@example.com" }')
    writeFileSync(join(folder, 'server.js'), plainServer)
    writeFileSync(join(folder, 'attached.js'), ownServer)
    writeFileSync(join(folder, 'edge.js'), expressServer)
    putExamples(folder)
  }, 300_000)
  afterAll(async () => {
    await his[Symbol.asyncDispose]()
  }, patienceMs)

  /** The server that a client of his starts by a line. */
  function started(line: string): StdioClientTransport {
    const { folder: cwd, env } = his
    return new StdioClientTransport({
      command: '/bin/sh',
      args: ['-c', line],
      cwd,
      env: { ...env },
      stderr: 'ignore',
    })
  }

  /** The first event that fits, found by asking. */
  async function found(fits: (one: Row) => boolean): Promise<Row> {
    const first = (typed: { readonly stdout: string }): Row | undefined => linesOf(typed, row).find(fits)
    const line = 'npx muniment query --since 2h --json'
    const typed = await his.untilFine(line, one => first(one) !== undefined)
    expect(typed.stdout).not.toContain('ada@example.com')
    return row.parse(first(typed))
  }

  async function foundCall(tool: string): Promise<Row> {
    return await found(({ method, target }) => method === 'tools/call' && target === tool)
  }

  test.each(nodePrograms().filter(([version]) => /^2[04]\./u.test(version)))(
    'his own server on Node %s is observed, by one line over stdio and by one at the edge of Express',
    async (version, node) => {
      const [over, at] = [`over-stdio-${version}`, `at-edge-${version}`]
      const stdio = started(`exec '${node}' attached.js ${over}`)
      expect(await call(stdio, over)).toContain('ada@example.com')
      const port = await freePort()
      await his.leave(`exec '${node}' edge.js ${port} ${at}`, /listening/u)
      const http = new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}/mcp`))
      expect(await call(http, at)).toContain('ada@example.com')
      await foundCall(over)
      await foundCall(at)
    },
    patienceMs,
  )

  test(
    'a server of somebody else is observed under wrap, and every way of asking answers',
    async () => {
      const line = lineOf('npx muniment wrap --server-name files').replace(
        '/srv/docs',
        join(his.folder, 'docs'),
      )
      const path = join(his.folder, 'docs', 'note.txt')
      expect(await call(started(line), 'read_file', { path })).toContain('a line')
      const { id } = await foundCall('read_file')
      for (const asked of asking) await his.untilFine(lineOf(asked).replace('<event id>', id))
    },
    patienceMs,
  )

  test(
    'a call that must not happen unrecorded is let through once it is recorded',
    async () => {
      const transport = started(lineOf('npx muniment wrap --fail-closed'))
      expect(await call(transport, 'send_mail')).toContain('ada@example.com')
      await foundCall('send_mail')
    },
    patienceMs,
  )

  test(
    'a server that speaks HTTP is observed through the proxy',
    async () => {
      const [port, front] = [await freePort(), await freePort()]
      await his.leave(`PORT=${port} npx mcp-server-everything streamableHttp`, /listening/iu)
      const line = lineOf('npx muniment proxy').replace('4101', String(port))
      await his.leave(`${line} --listen 127.0.0.1:${front}`, new RegExp(`127.0.0.1:${front}`, 'u'))
      const http = new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${front}/mcp`))
      expect(await call(http, 'echo', { message: 'good day' })).toContain('good day')
      await foundCall('echo')
    },
    patienceMs,
  )

  test(
    'the program in the README of the interceptor is observed as it stands',
    async () => {
      const [program] = blocksOf(new URL('../../services/interceptor/README.md', import.meta.url))
      writeFileSync(join(his.folder, 'files.js'), program?.text ?? '')
      const client = new Client({ name: 'stands', version: '1' })
      await client.connect(started('exec node files.js'))
      // It has no tools yet.
      await client.listTools().catch(() => undefined)
      await client.close()
      await found(one => one.client_name === 'stands' && one.method === 'tools/list')
    },
    patienceMs,
  )

  test.each(exampleLines(oldest))(
    'the example %s works as it says on Node %i',
    async (_name, _major, line) => {
      const { code, stderr } = await his.type(line)
      expect(code, stderr).toBe(0)
    },
    patienceMs,
  )
})
