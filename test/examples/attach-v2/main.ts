// A server on the SDK's second line, observed in process: one line more than without.
import assert from 'node:assert/strict'
import { Client } from '@modelcontextprotocol/client'
import { InMemoryTransport, McpServer } from '@modelcontextprotocol/server'
import { attach } from '@muniment/interceptor'
import { z } from 'zod'
import { recorded } from '../recorded.ts'

const server = new McpServer({ name: 'greeter', version: '1.0.0' })
server.registerTool('greet', { inputSchema: z.object({ name: z.string() }) }, ({ name }) => ({
  content: [{ type: 'text', text: `Hello, ${name}!` }],
}))
attach(server) // McpServer or Server, before connect()

const [near, far] = InMemoryTransport.createLinkedPair()
await server.connect(far)
const client = new Client({ name: 'example-attach-v2', version: '1.0.0' })
await client.connect(near)
await client.callTool({ name: 'greet', arguments: { name: 'ada@example.com' } })

const event = await recorded('example-attach-v2', 'greet')
assert.equal(event.outcome, 'ok')
assert.match(JSON.stringify(event.response?.body), /Hello, \[EMAIL\]!/u)
process.exit(0)
