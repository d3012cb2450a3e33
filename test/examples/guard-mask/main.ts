// A model that works with people's data without seeing any: what a tool tells reaches it as tokens, and what it does with them reaches the tool
// as the values.
import assert from 'node:assert/strict'
import { Client } from '@modelcontextprotocol/client'
import { InMemoryTransport, McpServer } from '@modelcontextprotocol/server'
import { attach } from '@muniment/interceptor'
import { maskBeforeModel } from '@muniment/interceptor/guard'
import { z } from 'zod'
import { recorded } from '../recorded.ts'

const sent: string[] = []
const server = new McpServer({ name: 'crm', version: '1.0.0' })
const person = z.object({ mail: z.email(), born: z.iso.date() })
server.registerTool('find', { outputSchema: person }, () => {
  const found = { mail: 'ada@example.org', born: '1815-12-10' }
  const text = `Ada, ${found.mail}, date of birth ${found.born}`
  return { content: [{ type: 'text', text }], structuredContent: found }
})
server.registerTool('send', { inputSchema: z.object({ to: z.string() }) }, ({ to }) => {
  sent.push(to)
  return { content: [{ type: 'text', text: `Sent to ${to}.` }] }
})
attach(server, { guard: maskBeforeModel() })

const [near, far] = InMemoryTransport.createLinkedPair()
await server.connect(far)
const client = new Client({ name: 'example-guard-mask', version: '1.0.0' })
await client.connect(near)
await client.listTools()

// What a model sees: tokens in texts, and in structured content what the tool's own schema accepts; the client checks that.
const seen = await client.callTool({ name: 'find', arguments: {} })
const all = JSON.stringify(seen)
assert.doesNotMatch(all, /ada@example\.org|1815/u)
const [token = ''] = /\[EMAIL:[a-z]{32}\]/u.exec(all) ?? []
assert.match(JSON.stringify(seen.structuredContent), /"[a-z]{32}@masked\.invalid"/u)

// What it does with a token reaches the tool as the address, and the answer does not give it away.
const answer = await client.callTool({ name: 'send', arguments: { to: token } })
assert.deepEqual(sent, ['ada@example.org'])
assert.match(JSON.stringify(answer), /Sent to \[EMAIL:[a-z]{32}\]\./u)

// A token that was never given stays what it is.
await client.callTool({ name: 'send', arguments: { to: `[EMAIL:${'a'.repeat(32)}]` } })
assert.equal(sent[1], `[EMAIL:${'a'.repeat(32)}]`)

const event = await recorded('example-guard-mask', 'find')
assert.doesNotMatch(JSON.stringify(event), /ada@example\.org|1815/u)
assert.equal(event.policy?.[0]?.decision, 'masked')
assert.notEqual(event.response?.changed?.digest, event.response?.digest)
assert(event.response?.changed?.findings?.some(({ type, action }) => type === 'EMAIL' && action === 'token'))
process.exit(0)
