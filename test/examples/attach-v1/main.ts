// A server on the SDK's first line, observed in process: one line more than without.
import assert from 'node:assert/strict'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { attach } from '@muniment/interceptor'
import { z } from 'zod'
import { recorded } from '../recorded.ts'

const server = new McpServer({ name: 'greeter', version: '1.0.0' })
server.registerTool('greet', { inputSchema: { name: z.string() } }, ({ name }) => ({
  content: [{ type: 'text', text: `Hello, ${name}!` }],
}))
attach(server) // McpServer or Server, before connect()

const [near, far] = InMemoryTransport.createLinkedPair()
await server.connect(far)
const client = new Client({ name: 'example-attach-v1', version: '1.0.0' })
await client.connect(near)
await client.callTool({ name: 'greet', arguments: { name: 'ada@example.com' } })

const event = await recorded('example-attach-v1', 'greet')
assert.equal(event.outcome, 'ok')
assert.match(JSON.stringify(event.response?.body), /Hello, \[EMAIL\]!/u)
process.exit(0)
