import type { IncomingMessage, ServerResponse } from 'node:http'
import { call, enclose, precede } from '../attach/hooks.ts'
import type { HttpExchange } from '../http/exchange.ts'
import { within } from '../http/scope.ts'
import { principalOf } from '../identity.ts'
import { isMembers } from '../json.ts'
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
function watchNode(
  { recorder, covers }: Edge,
  request: IncomingMessage,
  response: ServerResponse,
): HttpExchange | undefined {
  // Routers cut `url` down to what is left of it for them.
  const original: unknown = Reflect.get(request, 'originalUrl')
  const target = typeof original === 'string' ? original : (request.url ?? '')
  if (!covers(target)) return undefined
  const { method = '', headers } = request
  const exchange = recorder.begin({
    method,
    target,
    header: name => headers[name]?.toString(),
    principal: () => principalOf(Reflect.get(request, 'auth')),
  })
  watchRequest(request, exchange)
  watchResponse(response, exchange)
  // Whatever is done on an event of the request belongs to the exchange, also where contexts get lost between.
  enclose(request, 'emit', (emit, args) => within(exchange, () => emit(...args)))
  return exchange
}

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown

/** Observes the listener of a `node:http` or `node:https` server. */
export function observeListener(listener: Listener, options?: EdgeOptions): Listener {
  const edge = openEdge(options)
  return (request, response) => {
    const exchange = watchNode(edge, request, response)
    return exchange === undefined
      ? listener(request, response)
      : within(exchange, () => listener(request, response))
  }
}

type Next = () => void

/** Express middleware; it comes before whatever else looks at MCP requests. */
export function observeExpress(
  options?: EdgeOptions,
): (request: IncomingMessage, response: ServerResponse, next: Next) => void {
  const edge = openEdge(options)
  return (request, response, next) => {
    const exchange = watchNode(edge, request, response)
    if (exchange === undefined) next()
    else within(exchange, next)
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
