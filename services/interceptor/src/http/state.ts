import type { Handling } from '../guard/judge.ts'
import type { Arrival, Channel } from '../observe.ts'
import type { OffPath } from '../off-path.ts'
import type { RpcId } from '../pending.ts'
import type { Body, Context, PolicyNote, Principal, Transport } from '../record.ts'
import type { Budget, Keeper } from './content.ts'
import type { Addressed, Session, Sessions } from './sessions.ts'

type Bytes = Extract<Body, { raw: Uint8Array }>

/** The beginning of an HTTP request. */
export interface HttpHead extends Addressed {
  readonly method: string
  /** Who was verified so far. */
  readonly principal?: (() => Principal | undefined) | undefined
}

/** The beginning of its answer. */
export interface HttpReply {
  readonly status: number
  readonly header: (name: string) => string | undefined
}

/** What the exchanges of one door share. */
export interface Shared {
  readonly path: OffPath
  readonly budget: Budget
  readonly sessions: Sessions
  readonly open: (transport: Transport, id?: string) => Channel
}

/** Reads what answers a request. */
export interface ReplyReader {
  readonly push: (chunk: Uint8Array) => void
  /** Calls back once everything before was read. */
  readonly end: (done: () => void) => void
  readonly isStream: boolean
  /** The whole text, where it is no stream. */
  readonly body: () => Bytes
  readonly release: () => void
}

/** What a guard said of an exchange that it judged on the way. */
export interface GuardTold {
  /** Of the HTTP request. */
  readonly notes: readonly PolicyNote[]
  /** Of its messages, in their order. */
  readonly handlings?: readonly (Handling | undefined)[]
  /** The channel of which it spoke. */
  readonly channelId?: string
}

/** Where an exchange stands. */
export interface Exchanging extends Shared {
  readonly head: HttpHead
  readonly keeper: Keeper
  /** What was told before the whole request was read. */
  waiting: (() => void)[]
  waitingBytes: number
  isRequestDone: boolean
  isOver: boolean
  /** Where the messages of this exchange are recorded; its own unless it belongs to a session. */
  channel: Channel | undefined
  session: Session | undefined
  /** Requests that this exchange put into its channel. */
  readonly requests: RpcId[]
  /** Messages that count once the server has taken them. */
  held: Arrival[]
  fault: string | undefined
  isModern: boolean
  /** Requests that are recorded at a server object: id and method. */
  readonly claims: Map<RpcId, string>
  /** The channel of the server object that records the messages of this exchange. */
  tappedBy: string | undefined
  answer: HttpReply | undefined
  reader: ReplyReader | undefined
  guard: GuardTold | undefined
  /** What a guard said of answers that have not been read yet, by the id of their request. */
  readonly answersTold: Map<RpcId, Handling>
  /** Some of its requests were refused by a guard and are recorded with their answer. */
  isDenied: boolean
}

/** The channel of the exchange; opened when it is first needed. */
export function channelOf(state: Exchanging): Channel {
  return (state.channel ??= state.open('http', state.tappedBy ?? state.guard?.channelId))
}

export function contextOf({ head }: Exchanging): Context {
  return {
    principal: head.principal?.(),
    sessionId: head.header('mcp-session-id'),
    protocolVersion: head.header('mcp-protocol-version'),
  }
}
