import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import type { Transport as TransportV1 } from '@modelcontextprotocol/sdk/shared/transport.js'
import { ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import {
  Client as ClientV2,
  type ClientOptions,
  type Transport as TransportV2,
} from '@modelcontextprotocol/client'
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio'

export type Line = 'v1' | 'v2'
export const lines: readonly Line[] = ['v1', 'v2']

/** What a conversation needs of a client; the answers are compared, so they are whatever the client gives. */
export interface Talk {
  readonly call: (name: string, args?: Record<string, unknown>, signal?: AbortSignal) => Promise<unknown>
  readonly list: () => Promise<unknown>
  readonly close: () => Promise<void>
}

const info = { name: 'visitor', version: '1.0' }
const options = { capabilities: { roots: {} } }
const roots = { roots: [{ uri: 'file:///home/alice' }] }

export function newClientV1(): ClientV1 {
  const client = new ClientV1(info, options)
  client.setRequestHandler(ListRootsRequestSchema, () => roots)
  return client
}

export function newClientV2(more: ClientOptions = {}): ClientV2 {
  const client = new ClientV2(info, { ...options, ...more })
  client.setRequestHandler('roots/list', () => roots)
  return client
}

export async function talkV1(client: ClientV1, transport: TransportV1): Promise<Talk> {
  await client.connect(transport)
  return {
    call: (name, args = {}, signal = new AbortController().signal) =>
      client.callTool({ name, arguments: args }, undefined, { signal }),
    list: () => client.listTools(),
    close: () => client.close(),
  }
}

export async function talkV2(client: ClientV2, transport: TransportV2): Promise<Talk> {
  await client.connect(transport)
  return {
    call: (name, args = {}, signal = new AbortController().signal) =>
      client.callTool({ name, arguments: args }, { signal }),
    list: () => client.listTools(),
    close: () => client.close(),
  }
}

/** A client of this line that starts a program and talks to it over stdio. */
export function talkToProgram(
  line: Line,
  args: readonly string[],
  env: Record<string, string>,
): Promise<Talk> {
  const command = process.execPath
  const program = { command, args: [...args], env, stderr: 'inherit' as const }
  return line === 'v1'
    ? talkV1(newClientV1(), new StdioV1(program))
    : talkV2(newClientV2(), new StdioV2(program))
}

async function answer(work: Promise<unknown>): Promise<string> {
  try {
    return JSON.stringify(await work)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** One conversation with everything in it that can end a request; returns what the client saw. */
export async function converse(talk: Talk): Promise<string[]> {
  const seen = [
    await answer(talk.list()),
    await answer(talk.call('echo', { text: 'hello', list: ['sent'] })),
    await answer(talk.call('fail')),
    await answer(talk.call('nothing of that name')),
    await answer(talk.call('roots')),
    await answer(talk.call('log')),
  ]
  const cancel = new AbortController()
  const waiting = answer(talk.call('wait', {}, cancel.signal))
  await talk.call('echo', { text: 'meanwhile' })
  cancel.abort()
  seen.push(await waiting, await answer(talk.call('echo', { text: 'after' })))
  // Never answered: the connection is closed before.
  const last = answer(talk.call('wait'))
  await talk.call('echo', { text: 'last' })
  await talk.close()
  seen.push(await last)
  return seen
}
