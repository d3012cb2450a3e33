import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import type { Step } from './conversation.ts'

/** What came of a conversation. */
export interface Driven {
  readonly calls: number
  /** Calls whose answer was an error, as some are meant to be. */
  readonly errors: number
}

const cli = fileURLToPath(new URL('../../bin/muniment.mjs', import.meta.url))
const require = createRequire(import.meta.url)

function serverCommand(server: Step['server'], folder: string): readonly string[] {
  const program = require.resolve(`@modelcontextprotocol/server-${server}/dist/index.js`)
  const args = { everything: ['stdio'], filesystem: [folder], memory: [] }[server]
  return [process.execPath, program, ...args]
}

/** A client of a server that runs under `muniment wrap`, as an MCP client's configuration would start it. */
async function connect(server: Step['server'], { folder, env }: DriveOptions): Promise<Client> {
  const client = new Client({ name: 'muniment-demo', version: '1.0.0' })
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [cli, 'wrap', '--server-name', server, '--', ...serverCommand(server, folder)],
    env: { ...env, MEMORY_FILE_PATH: `${folder}/memory.jsonl` },
    stderr: 'ignore',
  })
  await client.connect(transport)
  return client
}

/** Where servers work, and what their interceptors are told. */
export interface DriveOptions {
  readonly folder: string
  readonly env: Record<string, string>
  readonly onCall?: (made: number) => void
}

async function isError(client: Client, { tool, args }: Step): Promise<boolean> {
  try {
    const result = await client.callTool({ name: tool, arguments: { ...args } })
    return result.isError === true
  } catch {
    return true
  }
}

/** Runs every server that the steps name under `muniment wrap`, lists its tools, and makes the calls one after another. */
export async function drive(steps: readonly Step[], options: DriveOptions): Promise<Driven> {
  const clients = new Map<Step['server'], Client>()
  let [calls, errors] = [0, 0]
  try {
    for (const step of steps) {
      let client = clients.get(step.server)
      if (!client) {
        client = await connect(step.server, options)
        clients.set(step.server, client)
        await client.listTools()
      }
      if (await isError(client, step)) errors += 1
      options.onCall?.(++calls)
    }
    return { calls, errors }
  } finally {
    await Promise.allSettled([...clients.values()].map(async client => client.close()))
  }
}
