import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Readable, Writable } from 'node:stream'
import type { Fields } from '../guard/guard.ts'
import { refusal } from './admit.ts'
import { sendJudged } from './answers.ts'
import {
  answerSelf,
  closing,
  corsOf,
  type Flow,
  type Forwarded,
  type Judged,
  publicOriginOf,
  type Visit,
} from './flow.ts'
import { endToEnd, fields, isChunked, listOf, valueOf } from './headers.ts'
import { translatedChallenge, translatedMetadata } from './metadata.ts'
import type { Match } from './route.ts'

const bodiless: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'])
const ownFields: ReadonlySet<string> = new Set([
  'host',
  'expect',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
])
const corsNames: ReadonlySet<string> = new Set([
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-expose-headers',
])
const nothing: ReadonlySet<string> = new Set()
const maxMetadataBytes = 256 * 1024

/** How the body is framed towards the upstream: as the client framed it. */
function framing({ rawHeaders, method, headers }: IncomingMessage): string[] {
  if (isChunked(rawHeaders)) return ['Transfer-Encoding', 'chunked']
  return headers['content-length'] === undefined && !bodiless.has(method) ? ['Content-Length', '0'] : []
}

/** Fields that are no longer those of the client where its messages were judged. */
/** Whether an answer goes on message by message. */
function isRead({ asked }: Visit, judged: Judged | undefined): boolean {
  return judged !== undefined && (judged.judge.readsOutward || asked !== undefined)
}

function withoutOf({ visit }: Flow, { isMetadata }: Match, judged: Judged | undefined): ReadonlySet<string> {
  const without = new Set([...ownFields, ...visit.drop, ...Object.keys(visit.swap)])
  if (isMetadata || isRead(visit, judged)) without.add('accept-encoding')
  if (judged?.body !== undefined) without.add('content-length').add('trailer')
  for (const name of Object.keys(judged?.headers ?? {})) without.add(name.toLowerCase())
  return without
}

function framingOf({ request, visit }: Flow, judged: Judged | undefined): string[] {
  if (judged === undefined) return framing(request)
  const { body, headers } = judged
  const length = body === undefined ? [] : ['Content-Length', String(body.length)]
  const plain = isRead(visit, judged) ? ['Accept-Encoding', 'identity'] : []
  return [...length, ...plain, ...Object.entries(headers).flat()]
}

function swapped(fieldsInstead: Fields): string[] {
  return Object.entries(fieldsInstead).flatMap(([name, value]) => (value === undefined ? [] : [name, value]))
}

/** Fields of an answer in place of those of the upstream. */
function swappedReply({ visit }: Flow, { statusCode: status = 502, rawHeaders }: IncomingMessage): Fields {
  return visit.swapReply?.({ status, header: name => valueOf(rawHeaders, name) }) ?? {}
}

function requestFields(flow: Flow, match: Match, judged: Judged | undefined): string[] {
  const { route } = match
  const { request, keepHost, scheme, admission } = flow
  const { rawHeaders, headers, socket, httpVersion } = request
  const host = headers.host ?? ''
  const hops = [...listOf(rawHeaders, 'x-forwarded-for'), socket.remoteAddress ?? 'unknown']
  const wantsTrailers = listOf(rawHeaders, 'te').some(one => one.toLowerCase().startsWith('trailers'))
  return [
    'Host',
    keepHost ? host : route.upstream.host,
    ...endToEnd(rawHeaders, withoutOf(flow, match, judged)),
    ...swapped(flow.visit.swap),
    ...framingOf(flow, judged),
    ...(wantsTrailers ? ['TE', 'trailers', 'Connection', 'TE'] : []),
    'Via',
    `${httpVersion} ${admission.viaName}`,
    'X-Forwarded-For',
    hops.join(', '),
    'X-Forwarded-Host',
    host,
    'X-Forwarded-Proto',
    scheme,
  ]
}

function answerFields(flow: Flow, match: Match, answer: IncomingMessage): string[] {
  const without = new Set(flow.admission.allowedOrigins.size > 0 ? corsNames : nothing)
  // Node refuses to announce trailers that it has no way to send.
  if (!isChunked(answer.rawHeaders) || flow.request.httpVersion === '1.0') without.add('trailer')
  const swap = swappedReply(flow, answer)
  for (const name of Object.keys(swap)) without.add(name)
  const kept = endToEnd(answer.rawHeaders, without)
  const out: string[] = []
  for (const [name, value] of fields(kept)) {
    const isChallenge = name.toLowerCase() === 'www-authenticate'
    out.push(name, isChallenge ? translatedChallenge(value, match.route, publicOriginOf(flow)) : value)
  }
  return [...out, ...swapped(swap), ...corsOf(flow), ...flow.visit.fields, ...closing(flow)]
}

function pairs(raw: readonly string[]): [string, string][] {
  return Array.from(fields(raw), ([name, value]): [string, string] => [name, value])
}

/** Passes a chunk on before anything else is done with it, no faster than it is taken. */
function pass(from: Readable, to: Writable, chunk: Uint8Array): void {
  if (to.write(chunk)) return
  from.pause()
  to.once('drain', () => from.resume())
}

function sendRequest(flow: Forwarded): void {
  const { request, outgoing, exchange, limits } = flow
  let bytes = 0
  request.on('data', (chunk: Uint8Array) => {
    bytes += chunk.length
    exchange.requestBytes(chunk)
    if (bytes > limits.maxBodyBytes) {
      outgoing.destroy()
      return answerSelf(flow, refusal(413, 'Request body is too large'))
    }
    if (outgoing.destroyed || outgoing.writableEnded) return
    pass(request, outgoing, chunk)
  })
  request.on('end', () => {
    exchange.requestEnd()
    if (request.rawTrailers.length > 0) outgoing.addTrailers(pairs(request.rawTrailers))
    outgoing.end()
  })
}

function sendMetadata(flow: Forwarded, answer: IncomingMessage): void {
  const { response, match } = flow
  const parts: Uint8Array[] = []
  let bytes = 0
  answer.on('data', (chunk: Uint8Array) => {
    bytes += chunk.length
    if (bytes > maxMetadataBytes) answer.destroy(new Error('too large'))
    parts.push(chunk)
  })
  answer.on('end', () => {
    const text = translatedMetadata(Buffer.concat(parts).toString(), match.route, publicOriginOf(flow))
    const kept = endToEnd(answerFields(flow, match, answer), new Set(['content-length', 'etag', 'trailer']))
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, [
      ...kept,
      'Content-Length',
      String(Buffer.byteLength(text)),
    ])
    response.end(text)
  })
}

function sendBody({ response, exchange, outgoing }: Forwarded, answer: IncomingMessage): void {
  answer.on('data', (chunk: Uint8Array) => {
    pass(answer, response, chunk)
    exchange.replyBytes(chunk)
  })
  answer.on('end', () => {
    if (!answer.complete) return
    if (answer.rawTrailers.length > 0) response.addTrailers(pairs(answer.rawTrailers))
    response.end()
    // An upstream that answers early wants no more of the request.
    if (!outgoing.writableFinished) outgoing.destroy()
  })
}

/** Passes an answer on: the one place where it leaves. */
function sendAnswer(flow: Forwarded, answer: IncomingMessage): void {
  const { response, exchange, match, judged } = flow
  const { statusCode: status = 502, statusMessage, rawHeaders } = answer
  answer.on('error', () => {
    exchange.end('server_gone')
    response.destroy()
  })
  const kept = answerFields(flow, match, answer)
  if (judged !== undefined && sendJudged({ flow, judged, answer, fields: kept })) return
  exchange.reply({ status, header: name => valueOf(rawHeaders, name) })
  if (match.isMetadata && status === 200 && flow.request.method === 'GET') return sendMetadata(flow, answer)
  response.writeHead(status, statusMessage, kept)
  // With the first bytes of the body where they are there already, else at once.
  setImmediate(() => response.flushHeaders())
  sendBody(flow, answer)
}

const slow = new Error('The upstream is too slow')

/** Ends a request whose upstream does not take the connection, or does not begin to answer, in time. */
function limitTime(outgoing: ClientRequest, { limits }: Flow): void {
  const after = (delayMs: number): NodeJS.Timeout => setTimeout(() => outgoing.destroy(slow), delayMs)
  let timer = after(limits.connectTimeoutMs)
  const connected = (): void => {
    clearTimeout(timer)
    if (!outgoing.destroyed) timer = after(limits.answerTimeoutMs)
  }
  outgoing.on('socket', socket => {
    if (!socket.connecting) return connected()
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', connected)
  })
  for (const event of ['response', 'close'] as const) outgoing.once(event, () => clearTimeout(timer))
}

/** Passes a request on to its upstream, and the answer back. */
export function forward(flow: Flow, match: Match, judged?: Judged): void {
  const { request, response, exchange, upstreams } = flow
  const outgoing = upstreams.request(match.route.upstream, {
    method: request.method,
    path: match.target,
    headers: requestFields(flow, match, judged),
  })
  const forwarded: Forwarded = { ...flow, match, outgoing, judged }
  limitTime(outgoing, flow)
  outgoing.on('response', answer => {
    try {
      sendAnswer(forwarded, answer)
    } catch {
      // A field that Node refuses to send on.
      answerSelf(flow, refusal(502, 'The upstream sent an answer that cannot be passed on'))
      outgoing.destroy()
    }
  })
  outgoing.on('error', error => {
    if ((response.headersSent && flow.visit.asked === undefined) || response.destroyed) return
    const isSlow = error === slow
    answerSelf(flow, refusal(isSlow ? 504 : 502, isSlow ? slow.message : 'The upstream cannot be reached'))
  })
  response.on('close', () => {
    if (response.writableFinished) return
    exchange.end('client_gone')
    outgoing.destroy()
  })
  if (judged === undefined) sendRequest(forwarded)
  else outgoing.end(judged.body)
}
