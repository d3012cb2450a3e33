import * as http from 'node:http'
import { TLSSocket } from 'node:tls'
import { AppError } from '@muniment/schema'
import type { SealedRecord } from '../batch.ts'
import { createTlsServer, isLoopbackAddress, listenOn } from '../http/listen.ts'
import { answerControl, endWaiting, isAboutControl, type Controlling } from './control-server.ts'
import { createByteRate } from './rate.ts'
import type { ControlRelay } from './relay.ts'
import { createReplays } from './replays.ts'
import { take, type Intake, type Taken } from './take.ts'
import { batchesPath, contentType, maxRequestBytes } from './wire.ts'

/** What a request says of who sent it, before its body is read. */
export interface DeviceClaim {
  /** The `Authorization` field. */
  readonly authorization: string | undefined
  /** The common name of a certificate that an accepted authority signed. */
  readonly certificate: string | undefined
  readonly address: string | undefined
}

/** Where a collector listens, whom it knows, and where it puts what they send. */
export interface CollectorOptions {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** PEM; absent = plain HTTP, behind something that ends TLS. With `clientCa` a certificate may stand for a key. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string | undefined }
  /** The enrolled name of the device; `undefined` = it is none, or none any more. */
  readonly authenticate: (claim: DeviceClaim) => Promise<string | undefined>
  /** To `mcp.calls.raw`; durable when it resolves. */
  readonly publish: (records: readonly SealedRecord[]) => Promise<void>
  /** Decisions for devices; absent = none are passed on. */
  readonly control?: ControlRelay
  readonly bytesPerSecond: number
  /** How long a batch may take to be on the bus (default 10 s). */
  readonly publishTimeoutMs?: number
  /** Told of every request; `device` only where it is known. */
  readonly onTaken?: (taken: Taken & { readonly device?: string; readonly bytes: number }) => void
  /** Told of what failed on our side; never of what is in a batch. */
  readonly onFailure?: (error: unknown) => void
}

/** A collector that runs. */
export interface Collector {
  readonly url: string
  /** Takes nothing new, and lets what is under way end within the deadline. */
  readonly close: (deadlineMs: number) => Promise<void>
}

interface State extends Intake {
  readonly options: CollectorOptions
  readonly controlling: Controlling
  bytesUnderWay: number
}

/** Bodies in memory at once, of all devices. */
const maxBytesUnderWay = 64 * 1024 * 1024
/** Seconds of a device's rate that may come at once. */
const burstSeconds = 16
const rememberedRecords = 16_384
const bounds = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  connectionsCheckingInterval: 2000,
  keepAliveTimeout: 65_000,
  requireHostHeader: true,
}
const mostConnections = 4096
const leastGraceMs = 20

function claimOf({ headers, socket }: http.IncomingMessage): DeviceClaim {
  const subject =
    socket instanceof TLSSocket && socket.authorized ? socket.getPeerCertificate().subject : undefined
  const name: unknown = subject?.CN
  return {
    authorization: headers.authorization,
    certificate: typeof name === 'string' ? name : undefined,
    address: socket.remoteAddress,
  }
}

const tooLarge: Taken = { status: 413, why: 'too_large' }
const cut: Taken = { status: 400, why: 'cut' }

/** Why a request is refused by its head alone. */
function refusedHead({ method, url, headers }: http.IncomingMessage): Taken | undefined {
  if (url !== batchesPath) return { status: 404, why: 'not_found' }
  if (method !== 'POST') return { status: 405, why: 'method' }
  if (headers['content-type'] !== contentType) return { status: 415, why: 'content_type' }
  return Number(headers['content-length'] ?? 0) > maxRequestBytes ? tooLarge : undefined
}

/** The whole body, or what is wrong with it. */
async function bodyOf(state: State, request: http.IncomingMessage): Promise<Buffer | Taken> {
  const parts: Buffer[] = []
  let bytes = 0
  try {
    for await (const part of request) {
      if (!Buffer.isBuffer(part)) return cut
      parts.push(part)
      bytes += part.length
      state.bytesUnderWay += part.length
      if (bytes > maxRequestBytes) return tooLarge
    }
    return Buffer.concat(parts)
  } catch {
    return cut
  } finally {
    state.bytesUnderWay -= bytes
  }
}

async function takeBody(state: State, device: string, request: http.IncomingMessage): Promise<Taken> {
  const waitMs = state.rate.waitMs(device)
  if (waitMs !== undefined) return { status: 429, why: 'too_fast', retryAfterMs: waitMs }
  if (state.bytesUnderWay > maxBytesUnderWay) return { status: 503, why: 'busy', retryAfterMs: 1000 }
  const body = await bodyOf(state, request)
  if (!Buffer.isBuffer(body)) return body
  state.bytesUnderWay += body.length
  try {
    return await take(state, device, body)
  } finally {
    state.bytesUnderWay -= body.length
  }
}

async function judge(
  state: State,
  request: http.IncomingMessage,
): Promise<Taken & { readonly device?: string }> {
  const refused = refusedHead(request)
  if (refused !== undefined) return refused
  const device = await state.options.authenticate(claimOf(request))
  if (device === undefined) return { status: 401, why: 'unknown_device' }
  return { ...(await takeBody(state, device, request)), device }
}

function answer(request: http.IncomingMessage, response: http.ServerResponse, taken: Taken): void {
  const { status, retryAfterMs } = taken
  // What still comes of a body that nobody reads must not pass for the next request.
  const close = request.complete ? {} : { Connection: 'close' }
  const retry =
    retryAfterMs === undefined ? {} : { 'Retry-After': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) }
  const challenge = status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}
  response.writeHead(status, { ...close, ...retry, ...challenge })
  response.end()
  request.resume()
}

async function handle(
  state: State,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  if (isAboutControl(request)) return answerControl(state.controlling, request, response)
  const { onTaken, onFailure } = state.options
  let taken: Taken & { readonly device?: string }
  try {
    taken = await judge(state, request)
  } catch (error) {
    onFailure?.(error)
    taken = { status: 503, why: 'failed', retryAfterMs: 5000 }
  }
  onTaken?.({ ...taken, bytes: Number(request.headers['content-length'] ?? 0) })
  answer(request, response, taken)
}

function serverOf({ tls }: CollectorOptions): http.Server {
  if (tls === undefined) return http.createServer(bounds)
  const { cert, key, clientCa } = tls
  // Whoever has no certificate may have a key.
  const mutual = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: false }
  return createTlsServer({ ...bounds, cert, key, ...mutual })
}

async function listen(server: http.Server, { host, port, tls }: CollectorOptions): Promise<string> {
  if (tls === undefined && !isLoopbackAddress(host))
    throw new AppError('CONFIG_INVALID', `A collector does not take keys on ${host} without TLS.`, {
      hint: 'Set MCP_TLS_CERT and MCP_TLS_KEY, or listen on 127.0.0.1 behind something that ends TLS.',
    })
  return `${tls === undefined ? 'http' : 'https'}://${await listenOn(server, host, port)}`
}

function monotonicMs(): number {
  return performance.now()
}

/**
 * Takes sealed batches from devices that reach no broker and puts them on the bus: it can read none of them. A batch is acknowledged only when it is
 * there, so whichever side dies, what is missing is sent again. Throws `CONFIG_INVALID` where it cannot listen as it was told.
 */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const { bytesPerSecond, publish, publishTimeoutMs = 10_000, onFailure = () => undefined } = options
  const state: State = {
    options,
    controlling: {
      relay: options.control,
      authenticate: async request => await options.authenticate(claimOf(request)),
      onFailure,
      waiting: new Map(),
      isOver: false,
    },
    publish,
    publishTimeoutMs,
    onFailure,
    rate: createByteRate({ bytesPerSecond, burstBytes: burstSeconds * bytesPerSecond, monotonicMs }),
    replays: createReplays(rememberedRecords),
    bytesUnderWay: 0,
  }
  const server = serverOf(options)
  server.maxConnections = mostConnections
  server.on('request', (request, response) => void handle(state, request, response))
  const url = await listen(server, options)
  return {
    url,
    close: async deadlineMs => {
      const closed = new Promise<void>(resolve => {
        server.close(() => resolve())
      })
      server.closeIdleConnections()
      endWaiting(state.controlling)
      // More than once: a connection whose TLS handshake is under way is none of them yet.
      const timer = setInterval(() => server.closeAllConnections(), Math.max(leastGraceMs, deadlineMs))
      await closed
      clearInterval(timer)
    },
  }
}
