import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { AppError } from '@muniment/schema'
import type { Metrics } from './metrics.ts'

/** Why something is not ready, in words for an operator; `undefined` = it is. */
export type ReadinessCheck = () => string | undefined | Promise<string | undefined>

/** What the health server tells. */
export interface HealthOptions {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  readonly checks: Readonly<Record<string, ReadinessCheck>>
  readonly metrics: Metrics
  /** Longest wait for one check; default 2 s. */
  readonly checkTimeoutMs?: number
}

/** A running health server. */
export interface HealthServer extends AsyncDisposable {
  /** As in `http://127.0.0.1:9464`. */
  readonly url: string
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

const defaultCheckTimeoutMs = 2_000
const requestTimeoutMs = 5_000
const maxConnections = 64
const plain = 'text/plain; charset=utf-8'

async function outcomeOf(check: ReadinessCheck, timeoutMs: number): Promise<string | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(resolve, timeoutMs, `no answer within ${timeoutMs} ms`)
  try {
    return await Promise.race([check(), late])
  } catch (error) {
    return error instanceof AppError ? error.message : 'the check failed'
  } finally {
    clearTimeout(timer)
  }
}

async function readiness({ checks, checkTimeoutMs = defaultCheckTimeoutMs }: HealthOptions): Promise<Answer> {
  const outcomes = await Promise.all(
    Object.entries(checks).map(
      async ([name, check]) => [name, (await outcomeOf(check, checkTimeoutMs)) ?? 'ok'] as const,
    ),
  )
  const isReady = outcomes.every(([, outcome]) => outcome === 'ok')
  const body = JSON.stringify({ ready: isReady, checks: Object.fromEntries(outcomes) })
  return { status: isReady ? 200 : 503, type: 'application/json', body: `${body}\n` }
}

async function answerTo(request: IncomingMessage, options: HealthOptions): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, type: plain, body: 'GET only\n' }
  const path = (request.url ?? '/').split('?', 1)[0]
  if (path === '/livez') return { status: 200, type: plain, body: 'ok\n' }
  if (path === '/readyz') return await readiness(options)
  if (path === '/metrics')
    return { status: 200, type: options.metrics.contentType, body: await options.metrics.render() }
  return { status: 404, type: plain, body: '/livez, /readyz, /metrics\n' }
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  options: HealthOptions,
): Promise<void> {
  const { status, type, body } = await answerTo(request, options).catch(() => ({
    status: 500,
    type: plain,
    body: 'error\n',
  }))
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

async function listen(server: Server, { host, port }: HealthOptions): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  server.once('error', reject).listen({ host, port }, () => {
    resolve(undefined)
  })
  try {
    await promise
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason'
    throw new AppError('CONFIG_INVALID', `Health cannot be served on ${host}:${port} (${code}).`, {
      hint: 'Choose another MUNIMENT_HTTP_PORT or MUNIMENT_HTTP_HOST.',
      cause,
    })
  }
  const address = server.address()
  const actual = typeof address === 'object' && address !== null ? address.port : port
  return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`
}

/** Serves `/livez` (this process turns), `/readyz` (every check passes, else 503 with reasons) and `/metrics`. Throws `CONFIG_INVALID` where the port is taken. */
export async function startHealth(options: HealthOptions): Promise<HealthServer> {
  const limits = { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs, maxHeaderSize: 8192 }
  const server = createServer(limits, (request, response) => {
    void respond(request, response, options)
  })
  server.maxConnections = maxConnections
  const url = await listen(server, options)
  return {
    url,
    async [Symbol.asyncDispose]() {
      const { promise, resolve } = Promise.withResolvers<undefined>()
      server.close(() => {
        resolve(undefined)
      })
      server.closeAllConnections()
      await promise
    },
  }
}
