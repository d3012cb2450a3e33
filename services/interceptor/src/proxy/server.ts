import { randomBytes } from 'node:crypto'
import * as http from 'node:http'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { openHost, type Host } from '../host.ts'
import { isLoopbackAddress, listenOn } from '../http/listen.ts'
import { createHttpRecorder, type HttpRecorder } from '../http/recorder.ts'
import { readSettings } from '../main-env.ts'
import { problemOf } from '../problem.ts'
import { admit, refusal, type Admission, type OwnAnswer } from './admit.ts'
import { readOrigins } from './cors.ts'
import {
  answerSelf,
  headerOf,
  publicOriginOf,
  visitorOf,
  type Flow,
  type Guarding,
  type Passage,
} from './flow.ts'
import { forward } from './forward.ts'
import { enter, judgeRequest, judgesMessages } from './guarded.ts'
import { openGuarding, type Guardings } from './guarding.ts'
import { createServer, principalOf } from './listener.ts'
import { ownMetadata } from './metadata.ts'
import { defaultLimits, type ProxyOptions } from './options.ts'
import { matchRoute, readRoutes, type Match, type Route } from './route.ts'
import { isReachable, openUpstreams } from './upstreams.ts'

/** A running proxy. */
export interface Proxy {
  /** Where it listens. */
  readonly url: string
  /** Takes nothing new, lets what is under way end within the deadline, and saves what was observed. */
  readonly close: (deadlineMs: number) => Promise<void>
}

interface State extends Omit<Passage, 'guarding'>, Guardings {
  readonly routes: readonly Route[]
  /** One for each route: sessions of one upstream are none of another's. */
  readonly recorders: ReadonlyMap<Route, HttpRecorder>
  /** For what no route serves. */
  readonly recorder: HttpRecorder
  /** Event streams that only listen: their clients come again. */
  readonly listening: Set<http.ServerResponse>
  /** Connections whose request is recorded already. */
  readonly busy: WeakSet<Duplex>
}

const reachTimeoutMs = 1000
const saveMs = 1500

const unready = 'an upstream cannot be reached\n'

async function readiness({ routes, isDraining }: State): Promise<OwnAnswer> {
  if (isDraining()) return { status: 503, type: 'text/plain', body: 'stopping\n' }
  const reached = await Promise.all(routes.map(({ upstream }) => isReachable(upstream, reachTimeoutMs)))
  const isReady = reached.every(Boolean)
  return { status: isReady ? 200 : 503, type: 'text/plain', body: isReady ? 'ok\n' : unready }
}

function answerHealth(state: State, path: string, response: http.ServerResponse): void {
  const send = ({ status, type, body }: OwnAnswer): void => {
    response.writeHead(status, { 'Content-Type': type })
    response.end(body)
  }
  if (path === '/livez') send({ status: 200, type: 'text/plain', body: 'ok\n' })
  else void readiness(state).then(send)
}

/** What a part of the guard tells everybody about itself. */
function documentAt({ request, guarding }: Flow): object | undefined {
  const { method, url = '' } = request
  return method === 'GET' ? guarding?.guard.document?.(url.split('?', 1)[0] ?? '') : undefined
}

function ownAnswer(flow: Flow, match: Match | undefined): OwnAnswer | undefined {
  const own = admit(flow.request, match, flow.admission)
  if (own !== undefined) return own
  const document = documentAt(flow)
  if (document !== undefined) return { status: 200, type: 'application/json', body: JSON.stringify(document) }
  if (match?.isMetadata !== true || match.route.resourceMetadata === undefined) return undefined
  return { status: 200, type: 'application/json', body: ownMetadata(match.route, publicOriginOf(flow)) }
}

function begin(state: State, exchanged: Pick<Flow, 'request' | 'response'>, match: Match | undefined): Flow {
  const { request, response } = exchanged
  const { method = '', url = '', socket } = request
  const recorder = match && state.recorders.get(match.route)
  const exchange = (recorder ?? state.recorder).begin({
    method,
    target: match?.target ?? url,
    header: name => headerOf({ request, visit })(name),
    principal: () => visit.principal,
  })
  const { busy, listening } = state
  busy.add(socket)
  if (method === 'GET') listening.add(response)
  const visit = visitorOf(principalOf(socket))
  response.on('finish', () => exchange.end('complete'))
  response.on('close', () => {
    if (!visit.isJudging) exchange.end('client_gone')
    busy.delete(socket)
    listening.delete(response)
  })
  return { ...state, guarding: state.guardingOf(match?.route), request, response, exchange, visit }
}

function handle(state: State, request: http.IncomingMessage, response: http.ServerResponse): void {
  const { url = '', method } = request
  if (method === 'GET' && (url === '/livez' || url === '/readyz')) return answerHealth(state, url, response)
  response.sendDate = false
  const match = matchRoute(state.routes, url)
  const flow = begin(state, { request, response }, match)
  const own = ownAnswer(flow, match)
  if (own !== undefined || match === undefined) return turnAway(flow, own ?? refusal(404, 'Not found'))
  if (flow.guarding === undefined) return forward(flow, match)
  void judge(flow, match, flow.guarding)
}

/** Answers a request that no upstream sees; what it says is recorded. */
function turnAway(flow: Flow, own: OwnAnswer): void {
  const { request, exchange } = flow
  if (request.listenerCount('data') === 0) {
    request.on('data', (chunk: Uint8Array) => exchange.requestBytes(chunk))
    request.on('end', () => exchange.requestEnd())
  }
  answerSelf(flow, own)
}

/** Lets a request through that the guard has nothing against. */
async function judge(flow: Flow, match: Match, guarding: Guarding): Promise<void> {
  try {
    const refused = await enter(flow, match, guarding)
    if (refused !== undefined) return turnAway(flow, refused)
    if (match.isMetadata || !judgesMessages(guarding.guard)) return forward(flow, match)
    const judged = await judgeRequest(flow, match, guarding)
    if (flow.response.destroyed) return flow.exchange.end('client_gone')
    if ('status' in judged) turnAway(flow, judged)
    else forward(flow, match, judged)
  } catch (error) {
    guarding.onProblem(problemOf(error, 'A request could not be judged'))
    turnAway(flow, refusal(500, 'SERVICE_ERROR'))
    if (flow.response.destroyed) flow.exchange.end('client_gone')
  }
}

const badStatuses: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

/** What Node's parser refuses is no request, but it was one for the record. */
function refuseUnread({ recorder, busy }: State, error: Error, socket: Duplex): void {
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const status = badStatuses[code] ?? 400
  if (!busy.has(socket)) {
    const exchange = recorder.begin({ method: '', target: '', header: () => undefined })
    exchange.reply({ status, header: () => undefined })
    exchange.end('complete')
  }
  socket.end(`HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ''}\r\nConnection: close\r\n\r\n`)
}

function readAdmission(options: ProxyOptions, host: string): Admission {
  const { publicOrigin, allowedOrigins = [], limits } = options
  if (publicOrigin !== undefined) readOrigins([publicOrigin])
  return {
    isLoopback: isLoopbackAddress(host),
    publicOrigin,
    allowedOrigins: readOrigins(allowedOrigins),
    maxBodyBytes: limits?.maxBodyBytes ?? defaultLimits.maxBodyBytes,
    viaName: `muniment-${randomBytes(6).toString('hex')}`,
  }
}

async function drain(server: http.Server, { listening }: State, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>(resolve => {
    server.close(() => resolve())
  })
  server.closeIdleConnections()
  for (const response of listening) if (response.headersSent) response.destroy()
  const timer = setTimeout(() => server.closeAllConnections(), deadlineMs)
  await closed
  clearTimeout(timer)
  // What was cut short tells of it in the turn after.
  await nextTurn()
}

interface Opened {
  readonly server: http.Server
  readonly state: State
  readonly host: Host
  readonly stop: () => void
}

function open(options: ProxyOptions, address: string): Opened {
  const settings = readSettings(options)
  const limits = { ...defaultLimits, ...options.limits }
  const routes = readRoutes(options.routes)
  const admission = readAdmission(options, address)
  const server = createServer(options.tls, limits)
  const stopping = new AbortController()
  const host = openHost(settings)
  const recorders = new Map(
    routes.map(route => [
      route,
      createHttpRecorder(host, { ...settings, serverName: route.serverName ?? settings.serverName }),
    ]),
  )
  const state: State = {
    admission,
    limits,
    upstreams: openUpstreams(options.upstreamTls ?? {}, limits.maxHeaderBytes),
    keepHost: options.keepHost === true,
    scheme: options.tls === undefined ? 'http' : 'https',
    isDraining: () => stopping.signal.aborted,
    ...openGuarding(options, { settings, host, recorders, routes }),
    routes,
    recorders,
    recorder: createHttpRecorder(host, settings),
    listening: new Set(),
    busy: new WeakSet(),
  }
  server.on('request', (request, response) => handle(state, request, response))
  server.on('clientError', (error, socket) => refuseUnread(state, error, socket))
  return { server, state, host, stop: () => stopping.abort() }
}

/**
 * Serves in front of MCP servers that speak HTTP, and records every exchange: bytes pass as they come, in both directions, and nothing
 * waits for the record. Throws `CONFIG_INVALID` for options that cannot be meant.
 */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { host: address = '127.0.0.1', port = 0 } = options
  const { server, state, host, stop } = open(options, address)
  let place: string
  try {
    place = await listenOn(server, address, port)
  } catch (error) {
    await host.close(0)
    throw error
  }
  return {
    url: `${state.scheme}://${place}`,
    close: async deadlineMs => {
      stop()
      await drain(server, state, deadlineMs)
      state.upstreams.close()
      for (const recorder of [state.recorder, ...state.recorders.values()]) recorder.close()
      await host.close(saveMs)
    },
  }
}
