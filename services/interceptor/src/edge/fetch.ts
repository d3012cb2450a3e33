import { pause, systemClock } from '../clock.ts'
import { maxBodyBytes } from '../describe.ts'
import type { HttpExchange } from '../http/exchange.ts'
import { within } from '../http/scope.ts'
import type { HttpHead } from '../http/state.ts'
import { isPromise, type Soon } from '../soon.ts'
import { grant } from './auth-info.ts'
import { knock, knockAndRecord, type Entry } from './door.ts'
import { visitorOf, type Visitor } from './visitor.ts'
import { holds } from './hold.ts'
import { openEdge, type Edge, type EdgeOptions } from './options.ts'

/** How long the end of an exchange waits for the copy of its request. */
const readGraceMs = 250

/** Reads a copy of the body beside the server's code; beyond what is kept the copy is given up, so that it holds nothing back. */
async function readCopy(copy: Request, exchange: HttpExchange): Promise<void> {
  let bytes = 0
  try {
    for await (const chunk of copy.body ?? []) {
      bytes += chunk.length
      exchange.requestBytes(chunk)
      if (bytes > maxBodyBytes) break
    }
  } catch {
    // The client is gone: what was read is what there is.
  }
  exchange.requestEnd()
}

interface Asked {
  readonly visitor: Visitor
  readonly head: Pick<HttpHead, 'method' | 'target' | 'header'>
}

function begin({ recorder, covers }: Edge, request: Request): Asked | undefined {
  const { pathname, search } = new URL(request.url)
  if (!covers(pathname)) return undefined
  const head = {
    method: request.method,
    target: `${pathname}${search}`,
    header: (name: string) => request.headers.get(name) ?? undefined,
  }
  const exchange = recorder.begin({ ...head, principal: () => visitor.principal })
  const visitor = visitorOf(exchange)
  return { visitor, head }
}

/** Reads a copy of the body before the server's code may read it; `undefined` where it was read already, or is too long. */
async function readWhole(request: Request, maxBytes: number): Promise<Uint8Array | undefined> {
  if (request.bodyUsed) return undefined
  const parts: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of request.clone().body ?? []) {
      bytes += chunk.length
      if (bytes > maxBytes) return undefined
      parts.push(chunk)
    }
  } catch {
    // The client is gone.
    return undefined
  }
  return Buffer.concat(parts)
}

function admit(edge: Edge, { visitor, head }: Asked, request: Request): Soon<Entry> {
  if (!holds(edge)) return knock(edge, visitor, { ...head, address: undefined })
  const read = (maxBytes: number): Promise<Uint8Array | undefined> => readWhole(request, maxBytes)
  const hasBody = request.body !== null
  return knockAndRecord(edge, visitor, { head, address: undefined, read, hasBody })
}

/** Watches the body of a request that may come in. */
function watchRequest({ exchange }: Visitor, request: Request, isRead: boolean): HttpExchange {
  const hasBody = request.body !== null && !request.bodyUsed && !isRead
  const read = hasBody ? readCopy(request.clone(), exchange) : Promise.resolve(exchange.requestEnd())
  // A refusal may come before the copy was read, and what was refused belongs to its record; but a server may also give the rest of a body up.
  const watched: HttpExchange = {
    ...exchange,
    end: how => void Promise.race([read, pause(systemClock, readGraceMs)]).then(() => exchange.end(how)),
  }
  request.signal.addEventListener('abort', () => watched.end('client_gone'), { once: true })
  return watched
}

/** The same answer with a body that is looked at while it is read, no sooner and no faster. */
function watchResponse(response: Response, exchange: HttpExchange): Response {
  const { status, statusText, headers, body } = response
  exchange.reply({ status, header: name => headers.get(name) ?? undefined })
  if (body === null) {
    exchange.end('complete')
    return response
  }
  const reader = body.getReader()
  const watched = new ReadableStream<Uint8Array>(
    {
      pull: async controller => {
        try {
          const { done, value } = await reader.read()
          if (done) controller.close()
          else controller.enqueue(value)
          if (done) exchange.end('complete')
          else exchange.replyBytes(value)
        } catch (error) {
          exchange.end('server_gone')
          controller.error(error)
        }
      },
      cancel: async reason => {
        exchange.end('client_gone')
        await reader.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(watched, { status, statusText, headers })
}

function withFields(response: Response, fields: Readonly<Record<string, string>>): Response {
  if (Object.keys(fields).length === 0) return response
  const { status, statusText, body } = response
  const headers = new Headers(response.headers)
  for (const [name, value] of Object.entries(fields)) headers.append(name, value)
  return new Response(body, { status, statusText, headers })
}

/** Lets a request in to the server's code and watches its answer, or answers it at the door. */
async function answered(
  edge: Edge,
  { asked, request }: { readonly asked: Asked; readonly request: Request },
  answer: () => Response | Promise<Response>,
): Promise<Response> {
  const { visitor } = asked
  const entry = admit(edge, asked, request)
  const { refused, headers } = isPromise(entry) ? await entry : entry
  if (refused !== undefined) {
    visitor.exchange.requestEnd()
    const { status, body, headers: fields } = refused
    return watchResponse(new Response(body, { status, headers: fields }), visitor.exchange)
  }
  grant(request, visitor.principal)
  const exchange = watchRequest(visitor, request, holds(edge))
  try {
    return watchResponse(withFields(await within(visitor, answer), headers), exchange)
  } catch (error) {
    exchange.end('server_gone')
    throw error
  }
}

function documentFor({ document }: Edge, { method, url }: Request): Response | undefined {
  const body = document(method, new URL(url).pathname)
  return body === undefined
    ? undefined
    : new Response(body, { headers: { 'Content-Type': 'application/json' } })
}

type FetchHandler<A extends readonly unknown[]> = (
  request: Request,
  ...rest: A
) => Response | Promise<Response>

/** Observes a handler from web requests to web responses: `createMcpHandler().fetch`, and what runs on Deno, Bun and workers' runtimes. */
export function observeFetch<A extends readonly unknown[]>(
  handler: FetchHandler<A>,
  options?: EdgeOptions,
): (request: Request, ...rest: A) => Promise<Response> {
  const edge = openEdge(options)
  return async (request, ...rest) => {
    const document = documentFor(edge, request)
    if (document !== undefined) return document
    const asked = begin(edge, request)
    return asked === undefined
      ? await handler(request, ...rest)
      : await answered(edge, { asked, request }, () => handler(request, ...rest))
  }
}

/** What the middleware needs of Hono's context. */
interface HonoLike {
  readonly req: { readonly raw: Request }
  res: Response
}

/** Hono middleware; it comes before whatever else looks at MCP requests. */
export function observeHono(
  options?: EdgeOptions,
): (context: HonoLike, next: () => Promise<void>) => Promise<void> {
  const edge = openEdge(options)
  return async (context, next) => {
    const request = context.req.raw
    const document = documentFor(edge, request)
    if (document !== undefined) return void (context.res = document)
    const asked = begin(edge, request)
    if (asked === undefined) return next()
    context.res = await answered(edge, { asked, request }, async () => {
      await next()
      return context.res
    })
  }
}
