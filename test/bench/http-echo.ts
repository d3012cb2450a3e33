// A server of SDK v2 with the tool `echo`, as the text of a module; observed where it is given options.
export const httpEchoProgram = `
  import { createServer } from 'node:http'
  import { toNodeHandler } from '@modelcontextprotocol/node'
  import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
  import { attach } from '@muniment/interceptor'
  import { z } from 'zod'
  const [options] = process.argv.slice(1)
  const observe = options === undefined ? server => server : server => attach(server, JSON.parse(options))
  const build = () => {
    const server = new McpServer({ name: 'echo', version: '0' })
    server.registerTool('echo', { inputSchema: z.object({ message: z.string() }) }, ({ message }) => ({
      content: [{ type: 'text', text: message }],
    }))
    return observe(server)
  }
  const server = createServer(toNodeHandler(createMcpHandler(build))).listen(0, '127.0.0.1', () =>
    console.log('http://127.0.0.1:' + server.address().port + '/mcp'))`
