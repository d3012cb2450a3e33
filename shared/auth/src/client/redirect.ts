import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { AppError } from '@muniment/schema'

/** Where the browser comes back to, and what tells that it does. */
export interface Expected {
  readonly port: number
  readonly state: string
  readonly timeoutMs: number
}

/** A listener that hears one answer. */
export interface RedirectListener {
  /** What came with the right `state`; rejects after the time is over, or once closed. */
  readonly returned: Promise<URLSearchParams>
  readonly close: (why: string) => void
}

export const redirectPath = '/callback'
/** RFC 8252 §8.3: the address, not `localhost`, which may lead elsewhere. */
export const redirectHost = '127.0.0.1'
const mostStrangers = 1000
const shown = {
  'Content-Type': 'text/plain; charset=utf-8',
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  Connection: 'close',
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other))
}

/** The parameters of a request that only the authorization server can have sent here: others do not know `state`. */
function answerIn({ method, url = '' }: IncomingMessage, state: string): URLSearchParams | undefined {
  const base = `http://${redirectHost}`
  if (method !== 'GET' || !URL.canParse(url, base)) return undefined
  const { pathname, searchParams } = new URL(url, base)
  const [given = '', ...more] = searchParams.getAll('state')
  return pathname === redirectPath && more.length === 0 && isSame(given, state) ? searchParams : undefined
}

async function listen(server: Server, port: number): Promise<void> {
  try {
    await once(server.listen(port, redirectHost), 'listening')
  } catch (cause) {
    throw new AppError('DEPENDENCY_UNREACHABLE', `Nobody can come back to port ${port} of ${redirectHost}.`, {
      hint: 'Another process may wait there for the same sign-in: finish that one. Otherwise set redirectPort.',
      cause,
    })
  }
}

const thanks = 'You may close this window.'
const stranger = 'This is not an answer that is waited for.'

type Heard = (answer: URLSearchParams | undefined) => void

function responder(state: string, heard: Heard): Server {
  return createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
    const answer = answerIn(request, state)
    response.writeHead(answer === undefined ? 400 : 200, shown).end(answer === undefined ? stranger : thanks)
    heard(answer)
  })
}

/** Listens on this machine only, until the answer came; what others send does not end it. */
export async function listenForRedirect({ port, state, timeoutMs }: Expected): Promise<RedirectListener> {
  let strangers = 0
  let settle: ((end: URLSearchParams | AppError) => void) | undefined
  const returned = new Promise<URLSearchParams>((resolve, reject) => {
    settle = end => (end instanceof AppError ? reject(end) : resolve(end))
  })
  // Whoever never asks for it need not hear of its end.
  returned.catch(() => undefined)
  const end = (how: URLSearchParams | AppError): void => {
    clearTimeout(timer)
    server.close()
    settle?.(how)
  }
  const server = responder(state, answer => {
    if (answer !== undefined) end(answer)
    else if (++strangers > mostStrangers)
      end(new AppError('AUTH_FAILED', 'Too much came that is no answer to this sign-in.'))
  })
  const late = new AppError('AUTH_FAILED', `Nobody came back from the sign-in within ${timeoutMs} ms.`)
  const timer = setTimeout(end, timeoutMs, late)
  try {
    await listen(server, port)
  } catch (error) {
    clearTimeout(timer)
    throw error
  }
  return { returned, close: why => end(new AppError('AUTH_FAILED', why)) }
}

/** A port of this machine that is free now. */
export async function freeRedirectPort(): Promise<number> {
  const server = createServer()
  await listen(server, 0)
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}
