import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { noticeBody, noticeUid, type Notice } from '../notice.ts'
import type { Sink } from './sink.ts'

/** A stream of server-sent events that clients of this machine or network may listen to. */
export interface SseConfig {
  readonly kind: 'sse'
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** What clients send as `authorization: Bearer …`. */
  readonly token: string
  /** Told where it listens. */
  readonly onListening?: (url: string) => void
}

const path = '/alerts'
/** Kept for clients that come back with `last-event-id`. */
const mostKept = 1000
const mostClients = 100
/** A client that reads no faster is dropped; it comes back where it was. */
const maxBacklogBytes = 1024 * 1024
const aliveEveryMs = 15_000

interface Event {
  readonly uid: string
  readonly text: string
}

interface State {
  readonly tokenHash: Buffer
  readonly clients: Set<ServerResponse>
  readonly kept: Event[]
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function eventOf(notice: Notice): Event {
  const uid = noticeUid(notice)
  return { uid, text: `id: ${uid}\nevent: ${notice.kind}\ndata: ${noticeBody(notice)}\n\n` }
}

function isAllowed({ tokenHash }: State, { headers }: IncomingMessage): boolean {
  const [, token] = /^Bearer (.{1,512})$/u.exec(headers.authorization ?? '') ?? []
  return token !== undefined && timingSafeEqual(hash(token), tokenHash)
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, status === 401 ? { 'www-authenticate': 'Bearer' } : {}).end()
}

/** What a client has missed: everything after what it saw last, or nothing where that is not kept any more. */
function missed({ kept }: State, lastId: string | undefined): readonly Event[] {
  const at = lastId === undefined ? -1 : kept.findLastIndex(({ uid }) => uid === lastId)
  return at < 0 ? [] : kept.slice(at + 1)
}

function send(state: State, client: ServerResponse, text: string): void {
  client.write(text)
  if (client.writableLength <= maxBacklogBytes) return
  state.clients.delete(client)
  client.destroy()
}

function answer(state: State, request: IncomingMessage, response: ServerResponse): void {
  const { clients } = state
  if (!isAllowed(state, request)) return refuse(response, 401)
  if (request.method !== 'GET' || request.url !== path) return refuse(response, 404)
  if (clients.size >= mostClients) return refuse(response, 503)
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  response.write(': listening\n\n')
  clients.add(response)
  response.on('close', () => clients.delete(response))
  const lastId = request.headers['last-event-id']
  for (const { text } of missed(state, typeof lastId === 'string' ? lastId : undefined))
    send(state, response, text)
}

async function listen(server: Server, { host, port, onListening }: SseConfig): Promise<void> {
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  onListening?.(`http://${host.includes(':') ? `[${host}]` : host}:${bound}${path}`)
}

/** Sends each notice to the clients that listen; who comes back with `last-event-id` gets what it missed of the last thousand. */
export async function openSse(config: SseConfig): Promise<Sink> {
  const state: State = { tokenHash: hash(config.token), clients: new Set(), kept: [] }
  const { clients, kept } = state
  const server = createServer((request, response) => answer(state, request, response))
  server.maxHeadersCount = 50
  server.requestTimeout = 10_000
  await listen(server, config)
  const alive = setInterval(() => {
    for (const client of clients) send(state, client, ': alive\n\n')
  }, aliveEveryMs).unref()
  return {
    kind: 'sse',
    deliver: async (notice, signal) => {
      signal.throwIfAborted()
      const event = eventOf(notice)
      // After a crash of the dispatcher the last one may come again.
      if (kept.at(-1)?.uid === event.uid) return
      kept.push(event)
      if (kept.length > mostKept) kept.shift()
      for (const client of clients) send(state, client, event.text)
      await Promise.resolve()
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(alive)
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
