import type { IncomingMessage, ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import { call, enclose, precede } from '../attach/hooks.ts'
import type { HttpExchange } from '../http/exchange.ts'
import { within } from '../http/scope.ts'
import { principalOf } from '../identity.ts'
import { isMembers } from '../json.ts'
import { andThen, type Soon } from '../soon.ts'
import { authInfoOf, grant } from './auth-info.ts'
import { knock, knockAndRecord, type Entry } from './door.ts'
import { visitorOf, type Visitor } from './visitor.ts'
import { holdBody, hasBody } from './held-body.ts'
import { holds } from './hold.ts'
import { openEdge, type Edge, type EdgeOptions } from './options.ts'

/** Header fields as `writeHead` takes them: by name, in a flat list, or in pairs. */
function givenFields(given: unknown): Map<string, string> {
  const fields = new Map<string, string>()
  const add = (name: unknown, value: unknown): void => {
    if (typeof name === 'string') fields.set(name.toLowerCase(), String(value))
  }
  if (!Array.isArray(given)) {
    if (isMembers(given)) for (const [name, value] of Object.entries(given)) add(name, value)
  } else if (Array.isArray(given[0])) for (const [name, value] of given) add(name, value)
  else for (let at = 0; at + 1 < given.length; at += 2) add(given[at], given[at + 1])
  return fields
}

function bytesOf(chunk: unknown, encoding: unknown): Uint8Array | undefined {
  if (chunk instanceof Uint8Array) return chunk
  if (typeof chunk !== 'string') return undefined
  return typeof encoding === 'string' && Buffer.isEncoding(encoding)
    ? Buffer.from(chunk, encoding)
    : Buffer.from(chunk)
}

/** Listens to what the server's code answers, whichever way it does. */
function watchResponse(response: ServerResponse, exchange: HttpExchange): void {
  let isTold = false
  const tell = (status: number, fields?: ReadonlyMap<string, string>): void => {
    if (isTold) return
    isTold = true
    exchange.reply({ status, header: name => fields?.get(name) ?? response.getHeader(name)?.toString() })
  }
  const write = (chunk: unknown, encoding: unknown): void => {
    tell(response.statusCode)
    const bytes = bytesOf(chunk, encoding)
    if (bytes !== undefined) exchange.replyBytes(bytes)
  }
  precede(response, 'writeHead', (status, ...rest) => {
    if (typeof status === 'number') tell(status, givenFields(rest.at(-1)))
  })
  precede(response, 'write', write)
  precede(response, 'end', write)
  precede(response, 'flushHeaders', () => tell(response.statusCode))
  response.on('finish', () => exchange.end('complete'))
  response.on('close', () => exchange.end('client_gone'))
}

/** Listens to the body while the server's code reads it: a listener of our own would make it flow before that. */
function watchRequest(request: IncomingMessage, exchange: HttpExchange): void {
  if (request.complete && request.readableLength === 0) {
    const body: unknown = Reflect.get(request, 'body')
    if (body !== undefined) exchange.requestBytes(Buffer.from(JSON.stringify(body)))
    return exchange.requestEnd()
  }
  precede(request, 'push', chunk => {
    if (chunk instanceof Uint8Array) exchange.requestBytes(chunk)
    else if (chunk === null) exchange.requestEnd()
  })
}

/** Watches one exchange of Node's HTTP server; `undefined` where it is none of the edge's business. */
function watchNode(edge: Edge, request: IncomingMessage, response: ServerResponse): Visitor | undefined {
  const { recorder, covers } = edge
  const target = targetOf(request)
  if (!covers(target)) return undefined
  const { method = '', headers } = request
  const exchange = recorder.begin({
    method,
    target,
    header: name => headers[name]?.toString(),
    principal: () => visitor.principal ?? principalOf(Reflect.get(request, 'auth')),
  })
  const visitor = visitorOf(exchange)
  if (!holds(edge)) watchRequest(request, exchange)
  watchResponse(response, exchange)
  // Whatever is done on an event of the request belongs to the exchange, also where contexts get lost between.
  enclose(request, 'emit', (emit, args) => within(visitor, () => emit(...args)))
  return visitor
}

/** Routers cut `url` down to what is left of it for them. */
function targetOf(request: IncomingMessage): string {
  const original: unknown = Reflect.get(request, 'originalUrl')
  return typeof original === 'string' ? original : (request.url ?? '')
}

function certificateOf({ socket }: IncomingMessage): Uint8Array | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined
}

/** Both lines of the SDK look for it there. */
function handOver(request: IncomingMessage, { principal }: Visitor): void {
  grant(request, principal)
  const info = authInfoOf(request)
  if (info !== undefined && Reflect.get(request, 'auth') === undefined) Reflect.set(request, 'auth', info)
}

interface Exchanged {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** Asks whether a request may come in, and lets its body wait where it must be recorded before. */
function enter(edge: Edge, request: IncomingMessage, visitor: Visitor): Soon<Entry> {
  const { method = '', headers, socket } = request
  const head = { method, target: targetOf(request), header: (name: string) => headers[name]?.toString() }
  const about = { address: socket.remoteAddress, certificate: certificateOf(request) }
  if (!holds(edge)) return knock(edge, visitor, { ...head, ...about })
  const body = holdBody(request)
  const held = { head, ...about, read: body.read, hasBody: hasBody(request) }
  return knockAndRecord(edge, visitor, held).finally(() => {
    visitor.exchange.requestEnd()
    body.release()
  })
}

/** Runs the server's code for a request that may come in; answers the others. */
function admit<T>(
  edge: Edge,
  { request, response }: Exchanged,
  { visitor, run }: { readonly visitor: Visitor; readonly run: () => T },
): Soon<T | undefined> {
  return andThen(enter(edge, request, visitor), ({ headers: fields, refused }): T | undefined => {
    if (refused === undefined) {
      handOver(request, visitor)
      for (const [name, value] of Object.entries(fields)) response.setHeader(name, value)
      return within(visitor, run)
    }
    // What the client still sends must not pass for its next request.
    const close = request.complete ? {} : { Connection: 'close' }
    response.writeHead(refused.status, { ...refused.headers, ...close })
    response.end(refused.body)
    return undefined
  })
}

/** Answers what everybody may read; `false` where there is nothing of that kind. */
function answersDocument({ document }: Edge, { request, response }: Exchanged): boolean {
  const body = document(request.method ?? '', targetOf(request))
  if (body !== undefined) response.writeHead(200, { 'Content-Type': 'application/json' }).end(body)
  return body !== undefined
}

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown

/** Observes the listener of a `node:http` or `node:https` server. */
export function observeListener(listener: Listener, options?: EdgeOptions): Listener {
  const edge = openEdge(options)
  return (request, response) => {
    if (answersDocument(edge, { request, response })) return undefined
    const run = (): unknown => listener(request, response)
    const visitor = watchNode(edge, request, response)
    return visitor === undefined ? run() : admit(edge, { request, response }, { visitor, run })
  }
}

type Next = () => void

/** Express middleware; it comes before whatever else looks at MCP requests. */
export function observeExpress(
  options?: EdgeOptions,
): (request: IncomingMessage, response: ServerResponse, next: Next) => void {
  const edge = openEdge(options)
  return (request, response, next) => {
    if (answersDocument(edge, { request, response })) return
    const visitor = watchNode(edge, request, response)
    if (visitor === undefined) next()
    else void admit(edge, { request, response }, { visitor, run: next })
  }
}

type FastifyPlugin = (fastify: object, options: unknown, done: () => void) => void

interface Raw<T> {
  readonly raw: T
}

/** A Fastify plugin; it is registered before whatever else looks at MCP requests. */
export function observeFastify(options?: EdgeOptions): FastifyPlugin {
  const middleware = observeExpress(options)
  const onRequest = (request: Raw<IncomingMessage>, reply: Raw<ServerResponse>, next: Next): void =>
    middleware(request.raw, reply.raw, next)
  const plugin: FastifyPlugin = (fastify, _, done) => {
    call(fastify, 'addHook', ['onRequest', onRequest])
    done()
  }
  // As `fastify-plugin` does: the hook holds for the whole application, not for an encapsulated part.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}
