// A server on the SDK's second line as a fetch handler, observed at its edge too: also what its entry refuses is recorded.
import assert from 'node:assert/strict'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { attach } from '@muniment/interceptor'
import { observeFetch } from '@muniment/interceptor/http'
import { z } from 'zod'
import { recordedWhere } from '../recorded.ts'

function greeter(): McpServer {
  const server = new McpServer({ name: 'greeter', version: '1.0.0' })
  server.registerTool('greet-by-fetch', { inputSchema: z.object({ name: z.string() }) }, ({ name }) => ({
    content: [{ type: 'text', text: `Hello, ${name}!` }],
  }))
  return server
}

const handler = createMcpHandler(() => attach(greeter()))
const serve = observeFetch(request => handler.fetch(request)) // what a runtime is given to serve

const url = new URL('http://127.0.0.1/mcp')
const client = new Client(
  { name: 'example-http-fetch', version: '1.0.0' },
  { versionNegotiation: { mode: 'auto' } },
)
const fetch = (input: string | URL, init?: RequestInit): Promise<Response> => serve(new Request(input, init))
await client.connect(new StreamableHTTPClientTransport(url, { fetch }))
await client.callTool({ name: 'greet-by-fetch', arguments: { name: 'ada@example.com' } })

// The header names another tool than the body.
const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
}
const params = { name: 'greet-by-fetch', arguments: {}, _meta: meta }
const refused = await fetch(url, {
  method: 'POST',
  headers: {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'something-else',
  },
  body: JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params }),
})
assert.match(await refused.text(), /something-else|Mcp-Name|header/iu)
assert.equal(refused.status, 400)

const event = await recordedWhere(({ kind, target }) => kind === 'call' && target === 'greet-by-fetch')
assert.equal(event.outcome, 'ok')
assert.match(JSON.stringify(event.response?.body), /Hello, \[EMAIL\]!/u)
const refusal = await recordedWhere(({ kind, target }) => kind === 'rejected' && target === 'greet-by-fetch')
assert.equal(refusal.error?.code, -32_020)
process.exit(0)
