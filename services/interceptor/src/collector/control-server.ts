import type { IncomingMessage, ServerResponse } from 'node:http'
import { controlPath, cursorField, longestWaitMs } from './control-wire.ts'
import type { ControlRelay } from './relay.ts'

/** How devices are told of decisions. */
export interface Controlling {
  readonly relay: ControlRelay | undefined
  /** The enrolled name of who asks. */
  readonly authenticate: (request: IncomingMessage) => Promise<string | undefined>
  readonly onFailure: (error: unknown) => void
  /** Requests that wait for something new, by device. */
  readonly waiting: Map<string, Set<AbortController>>
  /** Nobody is kept waiting any more. */
  isOver: boolean
}

/** Processes of one device that may wait at a time; others are answered at once and come again. */
const mostWaiting = 64

function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? ''
}

export function isAboutControl(request: IncomingMessage): boolean {
  return pathOf(request) === controlPath
}

function refuse(response: ServerResponse, status: number, fields: Record<string, string> = {}): void {
  response.writeHead(status, { Connection: 'close', ...fields })
  response.end()
}

interface Asking {
  readonly relay: ControlRelay
  readonly device: string
  readonly cursor: string | undefined
}

/** Waits until there is something new for this one. */
async function wait(
  { waiting, isOver }: Controlling,
  { relay, device }: Asking,
  response: ServerResponse,
): Promise<void> {
  const others = waiting.get(device) ?? new Set()
  if (isOver || others.size >= mostWaiting) return
  const leave = new AbortController()
  response.once('close', () => leave.abort())
  waiting.set(device, others.add(leave))
  await relay.changed(longestWaitMs, leave.signal)
  others.delete(leave)
  if (others.size === 0) waiting.delete(device)
}

async function tell(controlling: Controlling, asking: Asking, response: ServerResponse): Promise<void> {
  const { relay, cursor } = asking
  let page = relay.after(cursor)
  if (page.lines.length === 0 && page.cursor === cursor) {
    await wait(controlling, asking, response)
    page = relay.after(cursor)
  }
  if (response.destroyed) return
  const close = controlling.isOver ? { Connection: 'close' } : {}
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson', [cursorField]: page.cursor, ...close })
  response.end(page.lines.map(line => `${line}\n`).join(''))
}

/** Answers a device that asks for decisions: with those that it does not have yet, or when there are some. */
export async function answerControl(
  controlling: Controlling,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { relay, authenticate, onFailure } = controlling
  request.resume()
  if (request.method !== 'GET') return refuse(response, 405)
  try {
    const device = await authenticate(request)
    if (device === undefined) return refuse(response, 401, { 'WWW-Authenticate': 'Bearer' })
    if (relay === undefined) return refuse(response, 404)
    const { searchParams } = new URL(request.url ?? '', 'http://host')
    await tell(controlling, { relay, device, cursor: searchParams.get('after') ?? undefined }, response)
  } catch (error) {
    onFailure(error)
    if (!response.headersSent) refuse(response, 503, { 'Retry-After': '5' })
  }
}

/** Sends those home who wait, and all who come. */
export function endWaiting(controlling: Controlling): void {
  const { waiting } = controlling
  controlling.isOver = true
  for (const each of waiting.values()) for (const leave of each) leave.abort()
}
