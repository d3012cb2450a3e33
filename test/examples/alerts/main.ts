// Somebody is told when an attack comes through an observed server.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { subscribe } from '@muniment/alerts'
import { openBus } from '@muniment/bus'
import { attach } from '@muniment/interceptor'
import { readConfig } from '@muniment/runtime'

const server = new McpServer({ name: 'orders', version: '1.0.0' })
server.registerTool('find', {}, () => ({ content: [] }))
attach(server)
const [near, far] = InMemoryTransport.createLinkedPair()
await server.connect(far)
const client = new Client({ name: 'example-alerts', version: '1.0.0' })
await client.connect(near)

// Again and again, each time at another tool: who subscribes hears what comes after that.
let attempts = 0
setInterval(() => {
  const query = "x' UNION SELECT password FROM users WHERE '1'='1"
  client.callTool({ name: `find_${++attempts}`, arguments: { query } }).catch(() => undefined)
}, 250)

function page(message: string): void {
  if (/^SQL injection.*example-alerts/u.test(message)) process.exit(0)
}

// oxlint-disable-next-line node/no-process-env -- examples are programs
const { bus: config } = readConfig({ env: process.env })
if (config.kind === 'collector') throw new Error('a collector cannot be read from')
const bus = await openBus(config)

for await (const alert of subscribe({ bus, filter: { minSeverity: 'high' } })) page(alert.message)
