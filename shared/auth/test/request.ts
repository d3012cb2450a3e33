import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAuthenticator, type AuthOutcome, type AuthRequest, type Method } from '@muniment/auth'

/** A request with these fields, from somewhere. */
export function asking(
  fields: Readonly<Record<string, string>> = {},
  rest: Partial<AuthRequest> = {},
): AuthRequest {
  return { method: 'POST', target: '/mcp', header: name => fields[name], address: '192.0.2.7', ...rest }
}

export function bearing(token: string, rest: Partial<AuthRequest> = {}): AuthRequest {
  return asking({ authorization: `Bearer ${token}` }, rest)
}

/** What an authenticator with one way says of a request, and never slows it down. */
export async function outcomeOf(method: Method, request: AuthRequest): Promise<AuthOutcome> {
  return await createAuthenticator({ methods: [method], failures: { free: 1e6 } }).check(request)
}

/** A clock that stands still until it is told otherwise. */
export function clockAt(startMs: number): {
  readonly now: () => number
  readonly pass: (ms: number) => void
} {
  let nowMs = startMs
  return {
    now: () => nowMs,
    pass: ms => {
      nowMs += ms
    },
  }
}

interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** A server on this machine that answers by path, and counts. */
export async function serve(
  answer: (path: string, body: string, origin: string) => Answer | undefined,
): Promise<{ readonly origin: string; readonly hits: Map<string, number>; readonly close: () => void }> {
  const hits = new Map<string, number>()
  let origin = ''
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    hits.set(path, (hits.get(path) ?? 0) + 1)
    let text = ''
    request.on('data', chunk => (text += String(chunk)))
    request.on('end', () => {
      const { status = 200, headers = {}, body } = answer(path, text, origin) ?? { status: 404 }
      response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
    })
  })
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  // eslint-disable-next-line typescript/no-unsafe-type-assertion
  const { port } = server.address() as AddressInfo
  origin = `http://127.0.0.1:${port}`
  return {
    origin,
    hits,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
