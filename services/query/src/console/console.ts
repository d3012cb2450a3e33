import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Logger, Task } from '@muniment/runtime'
import { AppError } from '@muniment/schema'
import { readBody, sendError, sendJson } from '../http/respond.ts'
import { answerApi, type ApiOptions } from './api.ts'
import { refuseForeign, refuseUnknown, securityHeaders } from './guard.ts'

/** What a console is made of. */
export interface ConsoleOptions extends Pick<ApiOptions, 'service'> {
  readonly log: Logger
  /** On 127.0.0.1; 0 = any that is free. */
  readonly port: number
  /** Called when it listens, with the address that carries the token: whoever has it may read everything shown here. */
  readonly onReady: (url: string) => void
  readonly nowMs?: () => number
}

const host = '127.0.0.1'

interface Asset {
  readonly type: string
  readonly bytes: Buffer
}

// From the sources and from the compiled files alike: the page's files stay where they are.
const pageFolder = new URL('../../src/console/page/', import.meta.url)

const html = 'text/html; charset=utf-8'
const css = 'text/css; charset=utf-8'
const script = 'text/javascript; charset=utf-8'
const assets: readonly (readonly [path: string, file: string, type: string])[] = [
  ['/', 'index.html', html],
  ['/palette.css', 'palette.css', css],
  ['/style.css', 'style.css', css],
  ['/app.js', 'app.js', script],
  ['/dom.js', 'dom.js', script],
  ['/drawer.js', 'drawer.js', script],
]

function loadPage(): ReadonlyMap<string, Asset> {
  return new Map(
    assets.map(([path, file, type]) => [path, { type, bytes: readFileSync(new URL(file, pageFolder)) }]),
  )
}

interface Serving {
  readonly options: ApiOptions
  readonly log: Logger
  readonly token: string
  readonly page: ReadonlyMap<string, Asset>
  readonly port: () => number
}

async function serveApi(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const { pathname: path, searchParams: params } = new URL(request.url ?? '/', `http://${host}`)
  const body = await readBody(request)
  const asked = { method: request.method ?? '', path, params, body, signal: gone.signal }
  sendJson(response, 200, await answerApi(serving.options, asked))
}

async function serve(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value)
  const [path = '/'] = (request.url ?? '/').split('?', 1)
  const asset = request.method === 'GET' ? serving.page.get(path) : undefined
  const foreign = refuseForeign(request, serving.port())
  const refusal = foreign ?? (asset === undefined ? refuseUnknown(request, serving.token) : undefined)
  if (refusal !== undefined) {
    const code = refusal.status === 401 ? 'AUTH_FAILED' : 'ACCESS_DENIED'
    const hint = 'Open the address that was printed when the console started.'
    sendJson(response, refusal.status, { error: { code, message: refusal.message, hint } })
  } else if (asset === undefined) {
    await serveApi(serving, request, response)
  } else {
    response.writeHead(200, { 'content-type': asset.type })
    response.end(asset.bytes)
  }
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    const hint = 'Choose another port for the console.'
    throw new AppError('CONFIG_INVALID', `Port ${port} on ${host} cannot be used.`, { hint, cause: error })
  }
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A read-only page and API on loopback, for whoever has the address it hands to `onReady`. */
export function createConsole(options: ConsoleOptions): Task {
  const { service, log, port, onReady, nowMs = Date.now } = options
  const token = randomBytes(32).toString('base64url')
  return {
    async run(signal) {
      const server = createServer({ requestTimeout: 30_000, headersTimeout: 5000, maxHeaderSize: 16_384 })
      const serving: Serving = {
        options: { service, nowMs },
        log,
        token,
        page: loadPage(),
        port: () => portOf(server),
      }
      server.on('request', (request, response) => {
        serve(serving, request, response).catch((error: unknown) => sendError(response, error, log))
      })
      server.maxConnections = 64
      await listen(server, port)
      onReady(`http://${host}:${portOf(server)}/#token=${token}`)
      if (!signal.aborted) await once(signal, 'abort')
      server.close()
      server.closeAllConnections()
    },
  }
}
