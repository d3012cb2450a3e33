// The same small server in both lines of the SDK, and programs that serve it over stdio:
// node servers.ts v1|v2 [attach|tap]
import { McpServer as ServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport as StdioV1 } from '@modelcontextprotocol/sdk/server/stdio.js'
import { McpServer as ServerV2 } from '@modelcontextprotocol/server'
import { serveStdio, StdioServerTransport as StdioV2 } from '@modelcontextprotocol/server/stdio'
import { z } from 'zod'
import { attach, tap } from '../src/index.ts'

const info = { name: 'sample', version: '2.5' }
const capabilities = { capabilities: { logging: {} } }
const text = { text: z.string(), list: z.array(z.string()).optional() }

function content(said: string): { content: { type: 'text'; text: string }[] } {
  return { content: [{ type: 'text', text: said }] }
}

function wait(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')))
  })
}

export function serverV1(): ServerV1 {
  const server = new ServerV1(info, capabilities)
  server.registerTool('echo', { inputSchema: text }, args => {
    args.list?.push('edited by the handler')
    return content(args.text)
  })
  server.registerTool('fail', {}, () => {
    throw new Error('out of paper')
  })
  server.registerTool('roots', {}, async () => content(JSON.stringify(await server.server.listRoots())))
  server.registerTool('log', {}, async () => {
    await server.sendLoggingMessage({ level: 'info', data: 'hello' })
    return content('logged')
  })
  server.registerTool('wait', {}, extra => wait(extra.signal))
  return server
}

export function serverV2(): ServerV2 {
  const server = new ServerV2(info, capabilities)
  server.registerTool('echo', { inputSchema: z.object(text) }, args => {
    args.list?.push('edited by the handler')
    return content(args.text)
  })
  server.registerTool('fail', {}, () => {
    throw new Error('out of paper')
  })
  server.registerTool('roots', {}, async () => content(JSON.stringify(await server.server.listRoots())))
  server.registerTool('log', {}, async () => {
    await server.server.sendLoggingMessage({ level: 'info', data: 'hello' })
    return content('logged')
  })
  server.registerTool('wait', {}, ctx => wait(ctx.mcpReq.signal))
  return server
}

async function serve(line: string, how: string): Promise<void> {
  const isAttached = how === 'attach'
  if (line === 'v1') {
    const server = serverV1()
    await (isAttached ? attach(server) : server).connect(how === 'tap' ? tap(new StdioV1()) : new StdioV1())
    return
  }
  const transport = how === 'tap' ? tap(new StdioV2()) : new StdioV2()
  serveStdio(() => (isAttached ? attach(serverV2()) : serverV2()), { transport })
}

if (process.argv[1] === import.meta.filename) await serve(process.argv[2] ?? 'v1', process.argv[3] ?? '')
