// A server on the SDK's first line behind Express, observed at its edge too: what the door refuses is recorded.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { attach } from '@muniment/interceptor'
import { observeExpress } from '@muniment/interceptor/http'
import express from 'express'
import { z } from 'zod'
import { recordedWhere } from '../recorded.ts'

function greeter(): McpServer {
  const server = new McpServer({ name: 'greeter', version: '1.0.0' })
  server.registerTool('greet-by-express', { inputSchema: { name: z.string() } }, ({ name }) => ({
    content: [{ type: 'text', text: `Hello, ${name}!` }],
  }))
  return server
}

async function serve(request: express.Request, response: express.Response): Promise<void> {
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  await attach(greeter()).connect(transport)
  await transport.handleRequest(request, response, request.body)
}

const app = express()
app.use('/mcp', observeExpress()) // before body parsers and authentication
app.use('/mcp', (request, response, next) => {
  if (request.headers.authorization === 'Bearer made-up') next()
  else response.sendStatus(401)
})
app.post('/mcp', express.json(), (request, response) => void serve(request, response))
app.all('/mcp', (_request, response) => {
  response.sendStatus(405)
})

const http = createServer(app).listen(0, '127.0.0.1')
await once(http, 'listening')
const address = http.address()
assert(typeof address === 'object' && address !== null)
const url = new URL(`http://127.0.0.1:${address.port}/mcp`)

const client = new Client({ name: 'example-http-express', version: '1.0.0' })
const headers = { authorization: 'Bearer made-up' }
await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }))
await client.callTool({ name: 'greet-by-express', arguments: { name: 'ada@example.com' } })

const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'greet-by-express' } }
const denied = await fetch(url, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(call),
})
assert.equal(denied.status, 401)

const event = await recordedWhere(({ kind, target }) => kind === 'call' && target === 'greet-by-express')
assert.equal(event.outcome, 'ok')
assert.match(JSON.stringify(event.response?.body), /Hello, \[EMAIL\]!/u)
const refusal = await recordedWhere(
  ({ kind, target }) => kind === 'rejected' && target === 'greet-by-express',
)
assert.equal(refusal.outcome, 'denied')
assert.equal(refusal.error?.code, 401)
process.exit(0)
