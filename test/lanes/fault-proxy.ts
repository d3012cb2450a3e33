// An HTTP proxy on loopback that loses, delays and replaces replies the way a bad network or a busy cloud does.
import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { buffer } from 'node:stream/consumers'

interface SeenRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  /** 0 for the first request this proxy saw. */
  readonly index: number
}

export type Fault =
  | { readonly kind: 'reply'; readonly status: number; readonly body: string; readonly headers?: Headers }
  /** Cuts the connection without passing the request on. */
  | { readonly kind: 'drop-before' }
  /** Passes the request on, waits until it has been carried out, then cuts the connection. */
  | { readonly kind: 'drop-after' }
  /** Sends the true status and length and half of the body, then cuts the connection. */
  | { readonly kind: 'half-response' }
  | { readonly kind: 'delay'; readonly delayMs: number }

type Headers = Readonly<Record<string, string>>

/** Decides what goes wrong with a request; undefined passes it on unharmed. */
type FaultRule = (request: SeenRequest) => Fault | undefined

export interface FaultProxy extends AsyncDisposable {
  readonly endpoint: string
  /** Replaces the rule for the requests that come after. */
  readonly setRule: (rule: FaultRule) => void
  readonly requestCount: () => number
}

interface Reply {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** An error as the S3 protocol writes it, e.g. `s3Error(503, 'SlowDown')`. */
export function s3Error(status: number, code: string): Fault {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>injected</Message></Error>`
  return { kind: 'reply', status, body, headers: { 'content-type': 'application/xml' } }
}

/** An error as the Secrets Manager protocol writes it, e.g. `secretsError(400, 'ThrottlingException')`. */
export function secretsError(status: number, type: string): Fault {
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-errortype': type }
  return { kind: 'reply', status, body: JSON.stringify({ __type: type, message: 'injected' }), headers }
}

/** The Host header goes on as the client wrote it, so that request signatures stay valid. */
async function passOn(target: URL, seen: SeenRequest): Promise<Reply> {
  const { method, url, headers, body } = seen
  const outgoing = forward({ hostname: target.hostname, port: target.port, method, path: url, headers })
  outgoing.end(body)
  const [incoming]: IncomingMessage[] = await once(outgoing, 'response')
  if (incoming === undefined) throw new Error('no response')
  const received = await buffer(incoming)
  const { 'transfer-encoding': _chunked, ...rest } = incoming.headers
  // A reply to HEAD names the length of a body that it does not have.
  const length = method === 'HEAD' ? {} : { 'content-length': String(received.length) }
  return { status: incoming.statusCode ?? 502, headers: { ...rest, ...length }, body: received }
}

function send(response: ServerResponse, reply: Reply, part: 'whole' | 'half'): void {
  response.writeHead(reply.status, reply.headers)
  if (part === 'whole') {
    response.end(reply.body)
    return
  }
  response.write(reply.body.subarray(0, Math.floor(reply.body.length / 2)), () => response.destroy())
}

async function serve(
  target: URL,
  seen: SeenRequest,
  order: { fault: Fault | undefined; response: ServerResponse },
): Promise<void> {
  const { fault, response } = order
  if (fault === undefined) return send(response, await passOn(target, seen), 'whole')
  switch (fault.kind) {
    case 'reply':
      response.writeHead(fault.status, fault.headers)
      response.end(fault.body)
      return
    case 'drop-before':
      response.destroy()
      return
    case 'drop-after':
      await passOn(target, seen)
      response.destroy()
      return
    case 'half-response':
      return send(response, await passOn(target, seen), 'half')
    case 'delay':
      await sleep(fault.delayMs)
      return send(response, await passOn(target, seen), 'whole')
  }
}

const noFault: FaultRule = () => undefined

/** Starts a proxy before `target` (`http://127.0.0.1:port`) that passes everything on until a rule is set. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  let rule: FaultRule = noFault
  let count = 0
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const index = count++
    const { method = 'GET', url = '/', headers } = request
    const seen = { method, url, headers, body: await buffer(request), index }
    await serve(new URL(target), seen, { fault: rule(seen), response })
  }
  const server = createServer((request, response) => {
    // The server behind being away looks to the client like the network being away.
    answer(request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    setRule: next => {
      rule = next
    },
    requestCount: () => count,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
