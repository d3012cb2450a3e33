import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createMcpHandler, type Server } from '@modelcontextprotocol/server'
import { AppError } from '@muniment/schema'

/** A host that listens. */
export interface Listening extends AsyncDisposable {
  readonly url: string
}

const maxBodyBytes = 17 * 1024 * 1024
const loopback: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

function hostnameOf(address: string | undefined): string | undefined {
  return address !== undefined && URL.canParse(address) ? new URL(address).hostname : undefined
}

/** A page on a name that was made to lead here (DNS rebinding) shows itself by its `Host` and its `Origin`. */
function isForeign({ headers: { host, origin } }: IncomingMessage): boolean {
  const names = [hostnameOf(`http://${host ?? ''}`), ...(origin === undefined ? [] : [hostnameOf(origin)])]
  return names.some(name => name === undefined || !loopback.has(name))
}

async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request) {
    bytes += part.length
    if (bytes > maxBodyBytes) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { Connection: 'close' })
  response.end()
}

async function answer(
  build: () => Server,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = 'GET', headers, url = '' } = request
  if (isForeign(request)) return refuse(response, 403)
  if (url.split('?', 1)[0] !== '/mcp') return refuse(response, 404)
  const body = method === 'POST' ? await bodyOf(request) : null
  if (body === undefined) return refuse(response, 413)
  const fields = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((each): [string, string] => [name, each]),
  )
  const handler = createMcpHandler(build)
  try {
    const asked = new Request('http://muniment.invalid/mcp', { method, headers: fields, body })
    const { status, headers: given, body: said } = await handler.fetch(asked)
    response.writeHead(status, Object.fromEntries(given))
    if (said === null) response.end()
    else await pipeline(Readable.fromWeb(said), response)
  } finally {
    await handler.close()
  }
}

/** Serves interceptors over Streamable HTTP, to programs of this machine. Rejects with `CONFIG_INVALID` where it cannot listen. */
export async function listenHttp(build: () => Server, port: number): Promise<Listening> {
  const server = createServer((request, response) => {
    answer(build, request, response).catch(() => {
      if (response.headersSent) response.destroy()
      else refuse(response, 500)
    })
  })
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `Nothing can listen on 127.0.0.1:${port}.`, {
      hint: 'Choose another port; perhaps something listens there already.',
      cause,
    })
  }
  const bound = server.address()
  return {
    url: `http://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : port}/mcp`,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
