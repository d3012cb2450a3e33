// Servers over HTTP of each kind, as their own documentation builds them, and clients for them.
import { StreamableHTTPClientTransport as HttpClientV2 } from '@modelcontextprotocol/client'
import { NodeStreamableHTTPServerTransport as HttpServerV2, toNodeHandler } from '@modelcontextprotocol/node'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport as HttpClientV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { createMcpHandler } from '@modelcontextprotocol/server'
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { newClientV1, newClientV2, talkV1, talkV2, type Line, type Talk } from './conversation.ts'
import { serverV1, serverV2 } from './servers.ts'

export type Serve = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** A server of the legacy era with sessions, as its own documentation builds it. */
export function sessions(): Serve {
  const transports = new Map<string, HttpServerV2>()
  const open = async (): Promise<HttpServerV2> => {
    const transport = new HttpServerV2({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: id => void transports.set(id, transport),
    })
    await serverV2().connect(transport)
    return transport
  }
  return (request, response) => {
    const id = request.headers['mcp-session-id']?.toString()
    const known = id === undefined ? undefined : transports.get(id)
    void (async () => (known ?? (await open())).handleRequest(request, response))()
  }
}

export function sse(): Serve {
  const transports = new Map<string, SSEServerTransport>()
  return async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://host')
    if (pathname === '/messages') {
      await transports.get(searchParams.get('sessionId') ?? '')?.handlePostMessage(request, response)
      return
    }
    const transport = new SSEServerTransport('/messages', response)
    transports.set(transport.sessionId, transport)
    await serverV1().connect(transport)
  }
}

export function modernServer(): Serve {
  const handler = toNodeHandler(createMcpHandler(serverV2))
  return (request, response) => {
    const { method = '', url = '' } = request
    return handler(Object.assign(request, { method, url }), response)
  }
}

export function client(line: Line, url: URL): Promise<Talk> {
  return line === 'v1'
    ? talkV1(newClientV1(), new HttpClientV1(url))
    : talkV2(newClientV2(), new HttpClientV2(url))
}

export function modern(url: URL): Promise<Talk> {
  return talkV2(newClientV2({ versionNegotiation: { mode: 'auto' } }), new HttpClientV2(url))
}

export function overSse(url: URL): SSEClientTransport {
  return new SSEClientTransport(new URL('/sse', url))
}
