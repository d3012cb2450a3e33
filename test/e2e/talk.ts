// The official clients of both lines, each with a server of its own behind standard input and output.
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import { Client as ClientV2 } from '@modelcontextprotocol/client'
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio'

export type Line = 'v1' | 'v2'

/** How a call ended, as the client saw it. */
export type Ending = 'ok' | 'tool_error' | 'rpc_error'

export interface Talk {
  readonly list: () => Promise<unknown>
  readonly call: (tool: string, args?: Readonly<Record<string, unknown>>) => Promise<Ending>
  readonly close: () => Promise<void>
}

async function endingOf(call: Promise<Readonly<Record<string, unknown>>>): Promise<Ending> {
  try {
    return (await call)['isError'] === true ? 'tool_error' : 'ok'
  } catch {
    return 'rpc_error'
  }
}

/** A client named `client-v1` or `client-v2` that talks to a program. */
export async function talkTo(
  line: Line,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Talk> {
  const info = { name: `client-${line}`, version: '1' }
  const program = {
    command: process.execPath,
    args: [...command],
    env: { ...env },
    stderr: 'ignore' as const,
  }
  if (line === 'v1') {
    const client = new ClientV1(info)
    await client.connect(new StdioV1(program))
    return {
      list: async () => await client.listTools(),
      call: async (name, args = {}) => await endingOf(client.callTool({ name, arguments: { ...args } })),
      close: async () => await client.close(),
    }
  }
  const client = new ClientV2(info)
  await client.connect(new StdioV2(program))
  return {
    list: async () => await client.listTools(),
    call: async (name, args = {}) => await endingOf(client.callTool({ name, arguments: { ...args } })),
    close: async () => await client.close(),
  }
}
