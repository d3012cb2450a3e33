import { STATUS_CODES, type IncomingMessage } from 'node:http'
import { readMessages } from '../attach/wire.ts'
import { isAmbiguous } from '../guard/ambiguous.ts'
import type { Handling } from '../guard/judge.ts'
import { isMembers, type Members } from '../json.ts'
import { isRpcId } from '../pending.ts'
import { andThen, isPromise, type Soon } from '../soon.ts'
import { keepText, textOf } from '../wire-text.ts'
import { refusal } from './admit.ts'
import { endAsked } from './events.ts'
import { createEventGate, type StreamEvent } from './event-gate.ts'
import { answerSelf, headerOf, type Forwarded, type Judged } from './flow.ts'
import { endToEnd, valueOf } from './headers.ts'

/** An answer whose messages are judged before they go on. */
export interface Judging {
  readonly flow: Forwarded
  readonly judged: Judged
  readonly answer: IncomingMessage
  /** Fields under which it goes on. */
  readonly fields: readonly string[]
}

/** What was a text of the upstream when it is no longer one of this length. */
const ofTheBytes: ReadonlySet<string> = new Set([
  'content-length',
  'content-md5',
  'digest',
  'etag',
  'trailer',
])

const memberNames = ['jsonrpc', 'id', 'method', 'result', 'error']

/** Whatever a client that is less strict than the protocol might take for one. */
function isMessage(message: unknown): message is Members {
  return isMembers(message) && memberNames.some(name => name in message)
}

function aboutOf(flow: Forwarded): Parameters<Judged['judge']['outward']>[1] {
  const header = headerOf(flow)
  return { principal: flow.visit.principal, sessionId: header('mcp-session-id'), header }
}

/** Judges one message; what is returned goes on, nothing where it was kept back. */
function judgeMessage(
  { flow, judged }: Judging,
  message: unknown,
  text: string,
): Soon<string | true | undefined> {
  if (!isMessage(message)) return true
  const isPlain = !isAmbiguous(text)
  if (isPlain) keepText(message, text)
  return andThen(judged.judge.outward(message, aboutOf(flow)), (handling): string | true | undefined => {
    tell(flow, message, handling)
    if (handling?.refusal !== undefined) return undefined
    if (handling?.message !== undefined) return textOf(handling.message)
    return isPlain ? true : JSON.stringify(message)
  })
}

function tell({ exchange }: Forwarded, { id, method }: Members, handling: Handling | undefined): void {
  if (handling !== undefined && method === undefined && isRpcId(id)) exchange.noted(id, handling)
}

/** Judges the text of one or several messages. */
function judgeText(judging: Judging, text: Uint8Array): Soon<Uint8Array | undefined> {
  const reading = readMessages(text)
  if ('fault' in reading) return undefined
  const { parts } = reading
  const isBatch = parts[0]?.[1] !== text
  const step = (index: number, passed: readonly string[]): Soon<readonly string[]> => {
    const part = parts[index]
    if (part === undefined) return passed
    const own = Buffer.from(part[1]).toString()
    const verdict = judgeMessage(judging, part[0], own)
    return andThen(verdict, said =>
      step(index + 1, said === undefined ? passed : [...passed, said === true ? own : said]),
    )
  }
  return andThen(step(0, []), passed => {
    if (!isBatch) return passed.length === 0 ? undefined : Buffer.from(passed.join(''))
    return Buffer.from(`[${passed.join(',')}]`)
  })
}

/** An HTTP+SSE stream names the address to which its client posts: what comes there belongs to it. */
function openStream({ flow, judged }: Judging, address: string): void {
  const { match } = flow
  if (!URL.canParse(address, 'http://host/')) return
  const { pathname, search } = new URL(address, `http://host${match.target}`)
  flow.guarding?.conversations(match.route).keep(`${pathname}${search}`, judged.conversation)
}

function judgeEvent(judging: Judging, event: StreamEvent): Soon<Uint8Array | undefined> {
  const { type, data, raw, isPlain, withData } = event
  if (type === 'endpoint' && data !== undefined) openStream(judging, data)
  // One without data has a client remember its id, to go on from there.
  if (data === undefined || data === '' || type !== 'message') return raw
  const text = Buffer.from(data)
  return andThen(judgeText(judging, text), said => {
    if (said === undefined) return undefined
    return isPlain && text.equals(said) ? raw : withData(Buffer.from(said).toString())
  })
}

/** Passes a stream on event by event. */
function sendEvents(judging: Judging): void {
  const { flow, answer } = judging
  const { response, exchange, limits } = flow
  const gate = createEventGate(limits.maxBodyBytes, event =>
    andThen(judgeEvent(judging, event), said => {
      exchange.replyBytes(event.raw)
      if (said !== undefined) response.write(said)
    }),
  )
  const resume = (): void => void answer.resume()
  const push = (chunk: Uint8Array): Soon<unknown> => {
    try {
      return gate.push(chunk)
    } catch (error) {
      // Too long to be judged.
      return void answer.destroy(error instanceof Error ? error : undefined)
    }
  }
  answer.on('data', (chunk: Uint8Array) => {
    const waiting = push(chunk)
    if (!isPromise(waiting) && !response.writableNeedDrain) return
    answer.pause()
    const drained = response.writableNeedDrain
      ? new Promise(resolve => response.once('drain', resolve))
      : undefined
    Promise.all([waiting, drained]).then(resume, resume)
  })
  answer.on('end', () => {
    if (!answer.complete) return
    void andThen(gate.end(), rest => {
      exchange.replyBytes(rest)
      response.end()
    })
  })
}

function refuseUnread(flow: Forwarded): void {
  answerSelf(flow, refusal(502, 'The answer of the upstream cannot be judged'))
  flow.outgoing.destroy()
}

/** Collects an answer that is one text; longer ones are given up. */
function collect({ flow, answer }: Judging, done: (text: Uint8Array) => void): void {
  const parts: Uint8Array[] = []
  let bytes = 0
  answer.on('data', (chunk: Uint8Array) => {
    bytes += chunk.length
    if (bytes > flow.limits.maxBodyBytes) return refuseUnread(flow)
    parts.push(chunk)
  })
  answer.on('end', () => {
    if (answer.complete && bytes <= flow.limits.maxBodyBytes) done(Buffer.concat(parts))
  })
}

function sendText(judging: Judging): void {
  const { flow, answer, fields } = judging
  const { response, exchange } = flow
  const { statusCode: status = 502, statusMessage, rawHeaders } = answer
  collect(judging, text => {
    void andThen(judgeText(judging, text), said => {
      if (said === undefined) return refuseUnread(flow)
      exchange.reply({ status, header: name => valueOf(rawHeaders, name) })
      exchange.replyBytes(text)
      const { asked } = flow.visit
      if (asked !== undefined) return endAsked(response, asked.rpcId, Buffer.from(said).toString())
      response.writeHead(status, statusMessage, [...fields, 'Content-Length', String(said.length)])
      response.end(said)
    })
  })
}

/** What an upstream says in no message may quote what nobody judged: only its status and its fields go on. */
function sendStatus({ flow, answer, fields }: Judging): void {
  const { statusCode: status = 502, statusMessage, rawHeaders } = answer
  const { response, exchange } = flow
  const { body, type } = refusal(status, STATUS_CODES[status] ?? 'Refused')
  exchange.reply({ status, header: name => valueOf(rawHeaders, name) })
  answer.on('data', (chunk: Uint8Array) => exchange.replyBytes(chunk))
  answer.on('end', () => {
    const typed = ['Content-Type', type, 'Content-Length', String(Buffer.byteLength(body))]
    response.writeHead(status, statusMessage, [...endToEnd(fields, new Set(['content-type'])), ...typed])
    response.end(body)
  })
}

/** What has no type may have no content either, as the end of a session. */
function sendEmpty(judging: Judging): void {
  const { flow, answer, fields } = judging
  const { response, exchange } = flow
  const { statusCode: status = 502, statusMessage, rawHeaders } = answer
  collect(judging, text => {
    if (text.length > 0) return refuseUnread(flow)
    exchange.reply({ status, header: name => valueOf(rawHeaders, name) })
    response.writeHead(status, statusMessage, [...fields, 'Content-Length', '0'])
    response.end()
  })
}

function isEncoded({ headers }: IncomingMessage): boolean {
  const { 'content-encoding': encoding = 'identity' } = headers
  return encoding.trim().toLowerCase() !== 'identity'
}

/** Whether an answer has a body that is no business of the guard: none, or a file that is no message. */
function isForeign({ request }: Forwarded, { headers, statusCode = 502 }: IncomingMessage): boolean {
  const { 'content-type': type = '', 'content-length': length } = headers
  if (statusCode === 202 || statusCode === 204 || statusCode === 304 || length === '0') return true
  return request.method === 'GET' && statusCode < 400 && !/json|event-stream/iu.test(type)
}

/** Remembers the session that an upstream has opened or knows, so that answers find the requests they belong to. */
function keepSession({ flow, judged, answer }: Judging): void {
  const { match, request, guarding } = flow
  const id = answer.headers['mcp-session-id'] ?? headerOf(flow)('mcp-session-id')
  if (typeof id !== 'string' || (answer.statusCode ?? 502) >= 400) return
  const conversations = guarding?.conversations(match.route)
  if (request.method === 'DELETE') conversations?.end(`#${id}`)
  else conversations?.keep(`#${id}`, judged.conversation)
}

function sendStream(judging: Judging): void {
  const { flow, answer, fields } = judging
  const { exchange, response } = flow
  const { statusCode: status = 502, statusMessage, rawHeaders } = answer
  exchange.reply({ status, header: name => valueOf(rawHeaders, name) })
  if (flow.visit.asked === undefined) {
    response.writeHead(status, statusMessage, [...fields])
    response.flushHeaders()
  }
  // From here on the stream is the upstream's.
  flow.visit.asked = undefined
  sendEvents(judging)
}

function senderOf(
  { headers, statusCode = 502 }: IncomingMessage,
  isAsked: boolean,
): (judging: Judging) => void {
  const { 'content-type': type = '' } = headers
  if (/event-stream/iu.test(type)) return sendStream
  if (/json/iu.test(type)) return sendText
  if (isAsked) return ({ flow }) => refuseUnread(flow)
  if (statusCode >= 400) return sendStatus
  return type === '' ? sendEmpty : ({ flow }) => refuseUnread(flow)
}

/** Passes an answer on as far as a guard allows; `false` where it goes on as it is. */
export function sendJudged(judging: Judging): boolean {
  const { flow, judged, answer } = judging
  keepSession(judging)
  const isAsked = flow.visit.asked !== undefined
  const isAsIs = !judged.judge.readsOutward || isForeign(flow, answer) || flow.request.method === 'HEAD'
  if (isAsIs && !isAsked) return false
  if (isEncoded(answer)) refuseUnread(flow)
  else senderOf(answer, isAsked)({ ...judging, fields: endToEnd(judging.fields, ofTheBytes) })
  return true
}
