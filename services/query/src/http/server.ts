import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { TLSSocket } from 'node:tls'
import type { AuthRequest, Authenticator } from '@muniment/auth'
import type { Logger, Task } from '@muniment/runtime'
import { AppError } from '@muniment/schema'
import { createMcpFace } from '../mcp/server.ts'
import type { Caller, QueryService } from '../service/service.ts'
import { serveMcp } from './mcp.ts'
import { openApiDocument } from './openapi.ts'
import { sendError, sendJson } from './respond.ts'
import { routeOf } from './routes.ts'

/** What the API is made of. */
export interface QueryApiOptions {
  readonly service: QueryService
  readonly authenticator: Pick<Authenticator, 'check' | 'document'>
  readonly host: string
  /** 0 = any that is free. */
  readonly port: number
  /** Without it only this machine may connect. */
  readonly tls?:
    | {
        readonly cert: Buffer | string
        readonly key: Buffer | string
        readonly clientCa?: Buffer | string | undefined
      }
    | undefined
  readonly version: string
  readonly log: Logger
  readonly onReady: (url: string) => void
}

const headers: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'referrer-policy': 'no-referrer',
}

/** Longest silence of a connection: longer than the longest question. */
const idleMs = 75_000

function authRequestOf(request: IncomingMessage): AuthRequest {
  const { method = '', url = '/', headers: fields, socket } = request
  const raw = socket instanceof TLSSocket ? socket.getPeerCertificate().raw : undefined
  return {
    method,
    target: url,
    header: name => [fields[name] ?? []].flat()[0],
    address: socket.remoteAddress,
    ...(raw !== undefined && { certificate: raw }),
  }
}

interface Refused {
  readonly status: number
  readonly code: 'AUTH_FAILED' | 'ACCESS_DENIED' | 'RATE_LIMITED' | 'SERVICE_ERROR'
  readonly message: string
  readonly headers: Readonly<Record<string, string>>
  readonly reason: string
}

const refusalTexts = {
  AUTH_FAILED: 'The credential is missing or does not hold.',
  ACCESS_DENIED: 'The credential does not reach far enough.',
  RATE_LIMITED: 'There were too many wrong credentials.',
  SERVICE_ERROR: 'Nobody can tell now who calls.',
} as const

async function admit(
  { authenticator }: QueryApiOptions,
  request: IncomingMessage,
): Promise<Caller | Refused> {
  const outcome = await authenticator.check(authRequestOf(request))
  if ('refusal' in outcome) {
    const { code, status, headers: fields } = outcome.refusal
    return { code, status, headers: fields, message: refusalTexts[code], reason: outcome.reason }
  }
  const { principal, tenant } = outcome
  if (tenant !== undefined) return { tenants: [tenant], by: principal }
  const message = 'The credential belongs to no tenant.'
  return { code: 'ACCESS_DENIED', status: 403, headers: {}, message, reason: 'no_tenant' }
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '/'
}

interface Serving {
  readonly options: QueryApiOptions
  readonly document: object
}

function refuse(response: ServerResponse, { status, code, message, headers: fields }: Refused): void {
  for (const [name, value] of Object.entries(fields)) response.setHeader(name, value)
  const { hint } = new AppError(code, message)
  sendJson(response, status, { error: { code, message, hint } })
}

/** Documents that everybody may read. */
function publicDocument({ options, document }: Serving, path: string): object | undefined {
  return path === '/v1/openapi.json' ? document : options.authenticator.document(path)
}

async function answer({ options }: Serving, caller: Caller, { request, response }: Exchange): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const { signal } = gone
  const { service, version } = options
  const { pathname: path, searchParams: params } = new URL(request.url ?? '/', 'http://muniment.invalid')
  if (path === '/mcp') {
    const build = (): ReturnType<typeof createMcpFace> => createMcpFace({ service, caller, version })
    return await serveMcp({ build, request, response, signal })
  }
  const { route, id } = routeOf(request.method ?? '', path)
  await route.run({ service, caller, request, response, id, params, signal })
}

async function serve(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  const open = request.method === 'GET' ? publicDocument(serving, pathOf(request)) : undefined
  if (open !== undefined) return sendJson(response, 200, open)
  // No page calls this API: one that tries does it behind somebody's back.
  if (request.headers.origin !== undefined)
    throw new AppError('ACCESS_DENIED', 'Web pages cannot call this API.', {
      hint: 'Call it from a program.',
    })
  await answerAdmitted(serving, { request, response })
}

/** Answers whoever may ask, and notes it; `path` is in the note without its query. */
async function answerAdmitted(serving: Serving, exchange: Exchange): Promise<void> {
  const { log } = serving.options
  const { request, response } = exchange
  const admitted = await admit(serving.options, request)
  if ('status' in admitted) {
    const { reason, status } = admitted
    log.warn('query.refused', { reason, status, address: request.socket.remoteAddress })
    return refuse(response, admitted)
  }
  const startedMs = performance.now()
  try {
    await answer(serving, admitted, exchange)
  } catch (error) {
    // A client that left is no failure.
    if (!response.destroyed) sendError(response, error, log)
  } finally {
    log.info('query.answered', {
      method: request.method,
      path: pathOf(request).slice(0, 100),
      status: response.statusCode,
      isWhole: response.writableEnded,
      by: admitted.by?.id,
      tenants: admitted.tenants,
      took_ms: Math.round(performance.now() - startedMs),
    })
  }
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost'])

function makeServer({ tls }: QueryApiOptions): Server {
  const limits = { requestTimeout: 30_000, headersTimeout: 5000, maxHeaderSize: 32_768 }
  if (tls !== undefined) {
    const { clientCa, ...pair } = tls
    // Which certificates hold is the authenticator's to say.
    const ask = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: false }
    return createTlsServer({ ...limits, ...pair, ...ask, minVersion: 'TLSv1.2' })
  }
  return createServer(limits)
}

/** Throws `CONFIG_INVALID` where credentials would travel in the clear. */
export function assertListenable({ host, tls }: Pick<QueryApiOptions, 'host' | 'tls'>): void {
  if (tls !== undefined || loopback.has(host)) return
  throw new AppError('CONFIG_INVALID', `The API does not take credentials on ${host} without TLS.`, {
    hint: 'Set MCP_TLS_CERT and MCP_TLS_KEY, or listen on 127.0.0.1 behind a proxy that does TLS.',
  })
}

async function listen(server: Server, { host, port, tls }: QueryApiOptions): Promise<string> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `The API cannot listen on ${host}:${port}.`, {
      hint: 'Choose another MUNIMENT_QUERY_LISTEN.',
      cause,
    })
  }
  const address = server.address()
  const actual = typeof address === 'object' && address !== null ? address.port : port
  return `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${actual}`
}

/** The HTTP API and the MCP endpoint `/mcp`, for callers whose credentials name their tenant. Throws `CONFIG_INVALID`. */
export function createQueryApi(options: QueryApiOptions): Task {
  assertListenable(options)
  return {
    async run(signal) {
      const { log, version, onReady } = options
      const server = makeServer(options)
      const serving: Serving = { options, document: openApiDocument(version) }
      server.on('request', (request, response) => {
        serve(serving, request, response).catch((error: unknown) => sendError(response, error, log))
      })
      server.maxConnections = 256
      server.setTimeout(idleMs)
      onReady(await listen(server, options))
      if (!signal.aborted) await once(signal, 'abort')
      server.close()
      server.closeIdleConnections()
      server.closeAllConnections()
    },
  }
}
