// The official SDK clients of both lines and eras, asking any server one question after the other.
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { CreateMessageRequestSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import type { Ask, Asking } from './subjects.ts'

const anything = z.looseObject({})
const info = { name: 'official', version: '1' }
/** What the servers may ask back. */
const capabilities = { sampling: {}, elicitation: {} }
const sampled = {
  model: 'none',
  role: 'assistant' as const,
  content: { type: 'text' as const, text: 'seven' },
}
const elicited = { action: 'accept' as const, content: { name: 'Ada', check: true } }

interface Program {
  readonly command: string
  readonly args: string[]
  readonly env: Record<string, string>
  readonly stderr: 'ignore'
}
type Target = URL | Program
interface Progress {
  readonly progress: number
  readonly total?: number | undefined
}
type OnProgress = (progress: Progress) => void

interface Connected {
  readonly server: unknown
  readonly request: (asked: Ask, onProgress: OnProgress) => Promise<unknown>
  readonly close: () => Promise<void>
}

interface SdkClient {
  readonly name: string
  readonly connect: (target: Target) => Promise<Connected>
}

async function connectV1(target: Target): Promise<Connected> {
  const client = new ClientV1(info, { capabilities })
  client.setRequestHandler(CreateMessageRequestSchema, () => sampled)
  client.setRequestHandler(ElicitRequestSchema, () => elicited)
  await client.connect(target instanceof URL ? new HttpV1(target) : new StdioV1(target))
  return {
    server: [client.getServerVersion(), client.getServerCapabilities(), client.getInstructions()],
    request: async ({ method, params }, onprogress) =>
      await client.request({ method, params }, anything, { onprogress }),
    close: async () => await client.close(),
  }
}

async function connectV2(mode: 'auto' | 'legacy', target: Target): Promise<Connected> {
  const client = new ClientV2(info, { capabilities, versionNegotiation: { mode } })
  client.setRequestHandler('sampling/createMessage', () => sampled)
  client.setRequestHandler('elicitation/create', () => elicited)
  await client.connect(target instanceof URL ? new HttpV2(target) : new StdioV2(target))
  return {
    server: [client.getServerVersion(), client.getServerCapabilities(), client.getInstructions()],
    request: async ({ method, params }, onprogress) =>
      await client.request({ method, params }, anything, { onprogress }),
    close: async () => await client.close(),
  }
}

export const sdkClients: readonly SdkClient[] = [
  { name: 'the client v1', connect: connectV1 },
  { name: 'the client v2', connect: async target => await connectV2('legacy', target) },
  { name: 'the client v2 that negotiates', connect: async target => await connectV2('auto', target) },
]

function targetOf([command = '', ...args]: readonly string[], env: Readonly<Record<string, string>>): Target {
  return args.length === 0 ? new URL(command) : { command, args, env: { ...env }, stderr: 'ignore' }
}

/** Gives what the server says of itself, then each answer or error, with the progress told before it. */
export async function askSdk(
  target: readonly string[],
  connect: SdkClient['connect'],
  { env, asks }: Asking,
): Promise<readonly unknown[]> {
  const client = await connect(targetOf(target, env))
  const seen: unknown[] = [client.server]
  for (const asked of asks) {
    const progress: Progress[] = []
    const answer = await client
      .request(asked, one => progress.push(one))
      .catch((error: unknown) => {
        const { code, message, data } = Object(error)
        return { code, message, data }
      })
    // With the answer the SDK forgets whom to tell: what comes in one piece with it is told or not.
    seen.push({ asked, progress: progress.filter(one => one.progress !== one.total), answer })
  }
  await client.close()
  return seen
}
