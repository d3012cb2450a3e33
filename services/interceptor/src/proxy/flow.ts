import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import type { DoorRequest, DoorVerdict, Fields, Guard } from '../guard/guard.ts'
import type { Judge } from '../guard/judge.ts'
import type { Budget } from '../http/content.ts'
import type { HttpExchange } from '../http/exchange.ts'
import type { RpcId } from '../pending.ts'
import type { OnProblem } from '../problem.ts'
import type { Labels, PolicyNote, Principal } from '../record.ts'
import type { Upstreams } from './upstreams.ts'
import type { Admission, OwnAnswer } from './admit.ts'
import type { Conversation, Conversations } from './conversations.ts'
import { endAsked } from './events.ts'
import { corsFields } from './cors.ts'
import type { ProxyLimits } from './options.ts'
import type { Match, Route } from './route.ts'

/** The guard of a proxy. */
export interface Guarding {
  readonly guard: Guard
  readonly tenant: string
  readonly onProblem: OnProblem
  readonly nextChannelId: () => string
  /** Bodies under way that wait for their verdict. */
  readonly budget: Budget
  readonly conversations: (route: Route) => Conversations
  readonly labels: (match: Match, header: DoorRequest['header']) => Labels
  readonly serverName: (route: Route) => string | undefined
}

/** A request whose messages a guard has nothing against. */
export interface Judged {
  /** What the upstream is to get; `undefined` where there is none. */
  readonly body: Uint8Array | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly judge: Judge
  readonly conversation: Conversation
}

/** What all requests of one proxy share. */
export interface Passage {
  readonly admission: Admission
  readonly limits: Required<ProxyLimits>
  readonly upstreams: Upstreams
  readonly keepHost: boolean
  readonly scheme: 'http' | 'https'
  readonly isDraining: () => boolean
  readonly guarding: Guarding | undefined
}

/** What is known of whoever calls. */
export interface Visit {
  principal: Principal | undefined
  /** Fields that the door gives the answer, whoever it comes from. */
  fields: readonly string[]
  notes: readonly PolicyNote[]
  /** Fields of the request that end at the door. */
  drop: readonly string[]
  /** Fields of the request, and of its answer, in place of those that came. */
  swap: Fields
  swapReply: DoorVerdict['swapReply']
  /** The client was asked something in the answer to this request, which has begun by that. */
  asked: { readonly rpcId: RpcId } | undefined
  /** Its messages are being judged: only then is it known what to record of them. */
  isJudging: boolean
}

/** Whoever comes, of whom nothing is known but what the connection says. */
export function visitorOf(principal: Principal | undefined): Visit {
  return {
    principal,
    fields: [],
    notes: [],
    drop: [],
    swap: {},
    swapReply: undefined,
    asked: undefined,
    isJudging: false,
  }
}

/** The fields of a request as the door leaves them. */
export function headerOf({ request, visit }: Pick<Flow, 'request' | 'visit'>): DoorRequest['header'] {
  return name => (Object.hasOwn(visit.swap, name) ? visit.swap[name] : request.headers[name]?.toString())
}

/** One request on its way through. */
export interface Flow extends Passage {
  readonly visit: Visit
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly exchange: HttpExchange
}

/** A flow that goes to an upstream. */
export interface Forwarded extends Flow {
  readonly match: Match
  readonly outgoing: ClientRequest
  /** Its messages were judged, and its answers may have to be. */
  readonly judged: Judged | undefined
}

/** The origin under which the client knows the proxy. */
export function publicOriginOf({ admission, request, scheme }: Flow): string {
  return admission.publicOrigin ?? `${scheme}://${request.headers.host ?? ''}`
}

/** The `Connection` field of an answer where the connection is to end with it. */
export function closing({ isDraining }: Passage): string[] {
  return isDraining() ? ['Connection', 'close'] : []
}

/** The fields that let the page which asked read the answer, where the proxy answers for CORS. */
export function corsOf({ admission, request }: Flow): string[] {
  const { origin } = request.headers
  return origin !== undefined && admission.allowedOrigins.has(origin) ? corsFields(origin) : []
}

const unreadStatuses: ReadonlySet<number> = new Set([413, 503])

/** Answers a request instead of its upstream. */
export function answerSelf(flow: Flow, { status, type, body, fields, extra = [] }: OwnAnswer): void {
  const { request, response, exchange, visit } = flow
  const { asked } = visit
  if (response.headersSent && asked === undefined) {
    response.destroy()
    return
  }
  // What the client still sends of a body that nobody wants must not pass for its next request.
  const isUnread = !request.complete && unreadStatuses.has(status)
  const connection = isUnread ? ['Connection', 'close'] : closing(flow)
  const typed = type === '' ? [] : ['Content-Type', type]
  const length = status === 204 ? [] : ['Content-Length', String(Buffer.byteLength(body))]
  exchange.reply({ status, header: name => (name === 'content-type' ? type : undefined) })
  exchange.replyBytes(Buffer.from(body))
  if (asked !== undefined) return endAsked(response, asked.rpcId, body)
  const others = [...(fields ?? corsOf(flow)), ...extra, ...visit.fields]
  response.writeHead(status, [...typed, ...length, ...connection, ...others])
  response.end(body)
  request.resume()
}
