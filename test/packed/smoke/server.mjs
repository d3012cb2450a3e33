// A server with one tool over stdio: node server.mjs v1|v2 TOOL
const [, , line, tool] = process.argv
const [{ McpServer }, { StdioServerTransport }] =
  line === 'v1'
    ? [
        await import('@modelcontextprotocol/sdk/server/mcp.js'),
        await import('@modelcontextprotocol/sdk/server/stdio.js'),
      ]
    : [await import('@modelcontextprotocol/server'), await import('@modelcontextprotocol/server/stdio')]
const server = new McpServer({ name: 'smoke', version: '1' })
server.registerTool(tool, {}, () => ({ content: [{ type: 'text', text: tool }] }))
await server.connect(new StdioServerTransport())
