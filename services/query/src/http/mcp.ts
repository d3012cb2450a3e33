import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createMcpHandler, type McpServer } from '@modelcontextprotocol/server'
import { readBody } from './respond.ts'

/** One request of an MCP client that is let in. */
export interface McpAsked {
  readonly build: () => McpServer
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly signal: AbortSignal
}

/** Credentials end here: nothing that answers sees them. */
const spent = new Set(['authorization', 'x-api-key', 'cookie'])

function headersOf({ headers }: IncomingMessage): Headers {
  const fields = Object.entries(headers).filter(([name]) => !spent.has(name))
  return new Headers(
    fields.flatMap(([name, value]) => [value ?? []].flat().map((each): [string, string] => [name, each])),
  )
}

async function webRequest({ request, signal }: McpAsked): Promise<Request> {
  const { method = 'GET' } = request
  const hasBody = method === 'POST'
  return new Request('http://muniment.invalid/mcp', {
    method,
    headers: headersOf(request),
    signal,
    ...(hasBody && { body: await readBody(request) }),
  })
}

/** Answers an MCP client over Streamable HTTP, with a server for this request alone. */
export async function serveMcp(asked: McpAsked): Promise<void> {
  const { build, response, signal } = asked
  const handler = createMcpHandler(build)
  try {
    const answer = await handler.fetch(await webRequest(asked))
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    if (answer.body === null) response.end()
    else await pipeline(Readable.fromWeb(answer.body), response, { signal })
  } finally {
    await handler.close()
  }
}
