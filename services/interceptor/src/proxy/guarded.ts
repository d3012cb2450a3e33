import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { isUnreadable, judgeBody } from '../guard/body.ts'
import { askDoor, refusalAnswer } from '../guard/door.ts'
import type { DoorVerdict, Guard } from '../guard/guard.ts'
import { createAsking, createJudge, type JudgeOptions } from '../guard/judge.ts'
import { createOpenCalls } from '../guard/open-calls.ts'
import { sessionKey } from '../http/sessions.ts'
import { member } from '../json.ts'
import type { Labels } from '../record.ts'
import { andThen, type Soon } from '../soon.ts'
import { refusal, type OwnAnswer } from './admit.ts'
import { askClient, mayAsk } from './asking.ts'
import type { Conversation } from './conversations.ts'
import { headerOf, type Flow, type Guarding, type Judged } from './flow.ts'
import type { Match } from './route.ts'

/** Whether messages are looked at, not only who brings them. */
export function judgesMessages({ request, response, other, ended }: Guard): boolean {
  return [request, response, other, ended].some(hook => hook !== undefined)
}

function certificateOf({ socket }: IncomingMessage): Uint8Array | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined
}

function answerOf(status: number, { headers, body }: ReturnType<typeof refusalAnswer>): OwnAnswer {
  return { status, type: 'application/json', body, extra: Object.entries(headers).flat() }
}

function settleDoor({ visit, exchange, response }: Flow, verdict: DoorVerdict): OwnAnswer | undefined {
  visit.principal = verdict.principal ?? visit.principal
  visit.fields = Object.entries(verdict.headers ?? {}).flat()
  visit.notes = verdict.notes
  visit.drop = verdict.drop ?? []
  visit.swap = verdict.swap ?? {}
  visit.swapReply = verdict.swapReply
  exchange.guarded({ notes: verdict.notes })
  const over = verdict.refusal === undefined && verdict.during?.(() => response.destroy())
  if (typeof over === 'function') response.on('close', over)
  if (verdict.refusal === undefined) return undefined
  const answer = refusalAnswer(verdict.refusal)
  return answerOf(answer.status, answer)
}

/** Lets a request in, or says what it is answered; metadata that tell how to be let in are for everybody. */
export function enter(
  flow: Flow,
  match: Match,
  { guard, tenant, onProblem }: Guarding,
): Soon<OwnAnswer | undefined> {
  if (guard.door === undefined || match.isMetadata) return undefined
  const { request, visit } = flow
  const { method = '', url = '', socket } = request
  const asked = askDoor(
    guard,
    {
      tenant,
      method,
      target: url,
      header: headerOf(flow),
      address: socket.remoteAddress,
      certificate: certificateOf(request),
      place: match.route.path,
      principal: visit.principal,
    },
    onProblem,
  )
  return andThen(asked, verdict => settleDoor(flow, verdict))
}

function conversationOf(flow: Flow, match: Match, guarding: Guarding): Conversation {
  const { guard, conversations, nextChannelId } = guarding
  const known = conversations(match.route).find(sessionKey({ header: headerOf(flow), target: match.target }))
  // Where answers are not read, the end of an HTTP request is all that is known of the end of its calls.
  if (known !== undefined && readsAnswers(guard)) return known
  const own = {
    id: known?.id ?? nextChannelId(),
    calls: createOpenCalls(guard.ended),
    asking: known?.asking ?? createAsking(),
    isKept: false,
  }
  flow.response.on('close', () => {
    if (!own.isKept || !readsAnswers(guard)) own.calls.close()
  })
  return own
}

function readsAnswers({ response, other }: Guard): boolean {
  return response !== undefined || other !== undefined
}

interface Arrived {
  readonly flow: Flow
  readonly match: Match
  readonly body?: Uint8Array
}

function judgeOf({ flow, match, body }: Arrived, guarding: Guarding): Pick<Judged, 'judge' | 'conversation'> {
  const { guard, tenant, onProblem, labels, serverName } = guarding
  const conversation = conversationOf(flow, match, guarding)
  const info: JudgeOptions['info'] = {
    id: conversation.id,
    transport: 'http',
    tenant,
    serverName: serverName(match.route),
  }
  const known = (): Labels => labels(match, headerOf(flow))
  const { calls, asking } = conversation
  const judge = createJudge({
    guard,
    info,
    labels: known,
    onProblem,
    calls,
    asking,
    mayAsk: mayAsk(flow, body),
  })
  return { judge, conversation }
}

function collect(flow: Flow, { budget }: Guarding): Promise<Uint8Array | OwnAnswer> {
  const { request, response, exchange, limits } = flow
  const parts: Uint8Array[] = []
  let bytes = 0
  response.on('close', () => budget.give(bytes))
  return new Promise(resolve => {
    request.on('data', (chunk: Uint8Array) => {
      exchange.requestBytes(chunk)
      if (bytes + chunk.length > limits.maxBodyBytes)
        return resolve(refusal(413, 'Request body is too large'))
      if (!budget.take(chunk.length)) return resolve(refusal(503, 'Too many requests are under way'))
      bytes += chunk.length
      parts.push(chunk)
    })
    request.on('end', () => resolve(Buffer.concat(parts)))
  })
}

interface Judging extends Pick<Judged, 'judge' | 'conversation'> {
  readonly flow: Flow
  readonly body: Uint8Array
}

async function judgeMessages({ flow, body, judge, conversation }: Judging): Promise<Judged | OwnAnswer> {
  const { exchange, visit, request } = flow
  const header = headerOf(flow)
  const about = {
    principal: visit.principal,
    address: request.socket.remoteAddress,
    sessionId: header('mcp-session-id'),
    header,
    headerNames: () => Object.keys(request.headers),
    arrivedMs: performance.now(),
  }
  const { id: channelId } = conversation
  visit.isJudging = true
  const judged = await judgeBody({
    body,
    judge,
    about,
    channelId,
    notes: visit.notes,
    told: exchange.guarded,
    ask: (message, rpcId) => {
      flow.response.on('close', () => conversation.asking.questions.cancel(rpcId))
      askClient(flow, message, rpcId)
    },
  }).finally(() => {
    visit.isJudging = false
  })
  if ('isOurs' in judged) return { status: 202, type: '', body: '' }
  if (!('refused' in judged)) return { body: judged.body, headers: judged.headers, judge, conversation }
  for (const message of judged.messages) conversation.calls.end(member(message, 'id'))
  return answerOf(judged.refused.status, judged.refused)
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

const bodiless: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])

/** Judges the messages of a request before its upstream hears of it; what is returned is what it gets, or the answer in its place. */
export async function judgeRequest(
  flow: Flow,
  match: Match,
  guarding: Guarding,
): Promise<Judged | OwnAnswer> {
  const { request, exchange } = flow
  if (request.method !== 'POST') {
    // Only POST carries messages; a server that reads another body would read what nobody judged.
    if (!bodiless.has(request.method)) return refusal(405, 'Method not allowed')
    if (hasBody(request)) return refusal(400, 'A body is not allowed here')
    exchange.requestEnd()
    return { body: undefined, headers: {}, ...judgeOf({ flow, match }, guarding) }
  }
  if (isUnreadable(headerOf(flow)))
    return { ...refusal(415, 'Send JSON in UTF-8, not compressed'), extra: ['Accept-Encoding', 'identity'] }
  const body = await collect(flow, guarding)
  if (!(body instanceof Uint8Array)) return body
  const judged = await judgeMessages({ flow, body, ...judgeOf({ flow, match, body }, guarding) })
  exchange.requestEnd()
  return judged
}
