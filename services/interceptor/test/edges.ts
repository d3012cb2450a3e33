// Servers over HTTP behind each kind of edge wrapper, as applications build them.
import { getRequestListener } from '@hono/node-server'
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { EdgeOptions } from '../src/edge/options.ts'
import {
  authInfoOf,
  observeExpress,
  observeFastify,
  observeFetch,
  observeHono,
  observeListener,
} from '../src/http.ts'
import { listen, type Listening } from './http-lab.ts'
import type { serverV2 } from './servers.ts'

type Make = () => ReturnType<typeof serverV2>

type NodeHandler = (request: IncomingMessage, response: ServerResponse, body?: unknown) => Promise<void>

/** Sessions on Node, as an application serves them; the door wants a token. */
export function nodeSessions(make: Make): NodeHandler {
  const transports = new Map<string, NodeStreamableHTTPServerTransport>()
  return async (request, response, body) => {
    if (request.headers.authorization === 'wrong') {
      response.writeHead(401).end()
      return
    }
    const known = transports.get(request.headers['mcp-session-id']?.toString() ?? '')
    const transport =
      known ??
      new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: id => void transports.set(id, transport),
      })
    if (known === undefined) await make().connect(transport)
    await transport.handleRequest(request, response, body)
  }
}

function webSessions(make: Make): (request: Request) => Promise<Response> {
  const transports = new Map<string, WebStandardStreamableHTTPServerTransport>()
  return async request => {
    if (request.headers.get('authorization') === 'wrong') return new Response(null, { status: 401 })
    const known = transports.get(request.headers.get('mcp-session-id') ?? '')
    const transport =
      known ??
      new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: id => void transports.set(id, transport),
      })
    if (known === undefined) await make().connect(transport)
    const authInfo = authInfoOf(request)
    return transport.handleRequest(request, authInfo && { authInfo })
  }
}

/** A body that was read on events, in whose turn contexts are not those of the request. */
function byEvents(handler: NodeHandler): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      void handler(request, response, text === '' ? undefined : JSON.parse(text))
    })
  }
}

type Serve = (make: Make, options: EdgeOptions) => Promise<Listening>

export const servers: readonly (readonly [name: string, serve: Serve])[] = [
  ['a node:http listener', (make, options) => listen(observeListener(nodeSessions(make), options))],
  [
    'a listener that reads on events',
    (make, options) => listen(observeListener(byEvents(nodeSessions(make)), options)),
  ],
  [
    'Express with a body parser',
    (make, options) => {
      const app = express()
      const handler = nodeSessions(make)
      app.use(observeExpress({ ...options, path: '/mcp' }))
      app.use(express.json())
      app.all('/mcp', (request, response) => handler(request, response, request.body))
      return listen(app)
    },
  ],
  [
    'Fastify',
    async (make, options) => {
      const app = fastify()
      const handler = nodeSessions(make)
      await app.register(observeFastify(options))
      app.all('/mcp', (request, reply) => {
        reply.hijack()
        void handler(request.raw, reply.raw, request.body)
      })
      await app.ready()
      return listen(app.server)
    },
  ],
  [
    'a fetch handler',
    (make, options) => listen(getRequestListener(observeFetch(webSessions(make), options))),
  ],
  [
    'Hono',
    (make, options) => {
      const app = new Hono()
      const handler = webSessions(make)
      app.use(observeHono(options))
      app.all('/mcp', context => handler(context.req.raw))
      return listen(getRequestListener(app.fetch))
    },
  ],
]
