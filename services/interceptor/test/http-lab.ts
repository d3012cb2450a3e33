import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'

/** A server on loopback that ends with the test. */
export interface Listening extends AsyncDisposable {
  readonly url: URL
  readonly port: number
}

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown

export async function listen(listener: Listener | Server): Promise<Listening> {
  const server =
    typeof listener === 'function'
      ? createServer((request, response) => void listener(request, response))
      : listener
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    port,
    url: new URL(`http://127.0.0.1:${port}/mcp`),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

export async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

/** Sends bytes as they are and returns everything that comes back until the other side closes, or until a text appears. */
export async function talkRaw(port: number, bytes: string | Uint8Array, until?: string): Promise<string> {
  const socket = await dial(port)
  let seen = ''
  socket.setEncoding('latin1')
  socket.on('error', () => undefined)
  socket.write(bytes)
  for await (const chunk of socket) {
    seen += String(chunk)
    if (until !== undefined && seen.includes(until)) break
  }
  socket.destroy()
  return seen
}

/** A JSON-RPC request as clients post it. */
export function post(message: unknown, headers: Record<string, string> = {}): RequestInit {
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: typeof message === 'string' ? message : JSON.stringify(message),
  }
}

export const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
export const call = {
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'echo', arguments: { text: 'hi' } },
}
