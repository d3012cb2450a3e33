// A server that somebody else wrote, observed from outside: `muniment wrap --` before its command.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { inherited } from '../../lanes/environment.ts'
import { recorded } from '../recorded.ts'

const muniment = fileURLToPath(import.meta.resolve('../../../services/cli/bin/muniment.mjs'))
const server = fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'))

const client = new Client({ name: 'example-wrap', version: '1.0.0' })
const command = [process.execPath, server, 'stdio']
const args = [muniment, 'wrap', '--server-name', 'everything', '--', ...command]
await client.connect(new StdioClientTransport({ command: process.execPath, args, env: inherited() }))
await client.callTool({ name: 'echo', arguments: { message: 'write to ada@example.com' } })
await client.close()

const event = await recorded('example-wrap', 'echo')
assert.equal(event.server?.name, 'everything')
assert.match(JSON.stringify(event.request?.body), /write to \[EMAIL\]/u)
process.exit(0)
