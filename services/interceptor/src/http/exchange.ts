import { rawBody, readMessages } from '../attach/wire.ts'
import { member, textMember } from '../json.ts'
import type { Arrival } from '../observe.ts'
import { isRpcId, type RpcId } from '../pending.ts'
import { createKeeper } from './content.ts'
import { isRecorded, readRefusal, refuse } from './refusal.ts'
import { createReplyReader } from './reply.ts'
import type { Claimant } from './scope.ts'
import { sessionOf } from './sessions.ts'
import { changeOf } from '../guard/change.ts'
import type { Handling } from '../guard/judge.ts'
import {
  channelOf,
  contextOf,
  type Exchanging,
  type GuardTold,
  type HttpHead,
  type HttpReply,
  type Shared,
} from './state.ts'

/** How an exchange ended: as both wanted, or because one of the two went away. */
type HttpEnd = 'complete' | 'client_gone' | 'server_gone'

/** Watches one HTTP exchange from beside its path: what it is told is worked through later, in order, and it never throws. */
export interface HttpExchange extends Claimant {
  readonly requestBytes: (chunk: Uint8Array) => void
  readonly requestEnd: () => void
  /** What a guard said of the request; told before its end. */
  readonly guarded: (told: GuardTold) => void
  /** What a guard noted of an answer; told before its bytes. */
  readonly noted: (rpcId: RpcId, handling: Handling) => void
  readonly reply: (reply: HttpReply) => void
  readonly replyBytes: (chunk: Uint8Array) => void
  /** Told once more it is ignored. */
  readonly end: (how: HttpEnd) => void
}

/** More than this may not wait for a request that does not end. */
const maxWaitingBytes = 1024 * 1024
const versionName = 'io.modelcontextprotocol/protocolVersion'

function putRequest(state: Exchanging, arrival: Arrival, rpcId: RpcId): void {
  const meta = member(member(arrival.message, 'params'), '_meta')
  if (textMember(meta, versionName) !== undefined) state.isModern = true
  if (state.claims.get(rpcId) === textMember(arrival.message, 'method')) return
  channelOf(state).message(arrival)
  state.requests.push(rpcId)
}

function notesOf({ guard }: Exchanging, handling: Handling | undefined): Arrival['policy'] {
  if (guard === undefined) return undefined
  const notes = [...guard.notes, ...(handling?.notes ?? [])]
  return notes.length === 0 ? undefined : notes
}

/** Recorded as refused at once; the answer that goes back over HTTP is part of it. */
function deny(state: Exchanging, arrival: Arrival, handling: Handling): void {
  state.isDenied = true
  channelOf(state).deny(arrival, { ...handling, notes: arrival.policy ?? [] })
}

function readRequest(state: Exchanging): void {
  const whole = state.keeper.body()
  if (state.head.method !== 'POST' || whole.sizeBytes === 0) return
  const reading = state.keeper.isWhole() ? readMessages(whole.raw) : { fault: 'too_large' }
  if ('fault' in reading) {
    state.fault = reading.fault
    return
  }
  const context = contextOf(state)
  for (const [index, [message, bytes]] of reading.parts.entries()) {
    const handling = state.guard?.handlings?.[index]
    const policy = notesOf(state, handling)
    const body = rawBody(bytes)
    const change = changeOf(handling)
    readMessage(state, { direction: 'client_to_server', message, body, context, policy, change }, handling)
  }
}

function readMessage(state: Exchanging, arrival: Arrival, handling: Handling | undefined): void {
  const { message } = arrival
  if (handling?.isOurs === true) return
  if (handling?.refusal !== undefined) return deny(state, arrival, handling)
  const rpcId = member(message, 'id')
  const isRequest = textMember(message, 'method') !== undefined && member(message, 'jsonrpc') === '2.0'
  if (isRequest && isRpcId(rpcId)) putRequest(state, arrival, rpcId)
  else state.held.push(arrival)
}

function finishRequest(state: Exchanging): void {
  if (state.isRequestDone) return
  state.isRequestDone = true
  state.session = sessionOf(state.sessions, state.head)
  state.channel = state.session?.channel
  try {
    readRequest(state)
  } finally {
    const { waiting } = state
    state.waiting = []
    for (const act of waiting) act()
  }
}

function feedHeld(state: Exchanging): void {
  const { held } = state
  state.held = []
  if (state.tappedBy === undefined) for (const arrival of held) channelOf(state).message(arrival)
}

/** From its first successful answer on, what a client calls a session is one. */
function keepSession(state: Exchanging, answer: HttpReply): void {
  const id = answer.header('mcp-session-id') ?? state.head.header('mcp-session-id')
  if (id === undefined) return
  const isTapped = state.tappedBy !== undefined || state.session?.isTapped === true
  state.session = { channel: channelOf(state), isTapped }
  state.sessions.keep(`#${id}`, state.session)
}

function onReply(state: Exchanging, answer: HttpReply): void {
  state.answer = answer
  state.reader = createReplyReader(state, answer)
  if (answer.status >= 400) return
  keepSession(state, answer)
  feedHeld(state)
}

function recordSingle(state: Exchanging, kind: 'stream' | 'notification', how: HttpEnd): void {
  const { method } = state.head
  const outcome = kind === 'stream' && how === 'client_gone' ? 'cancelled' : 'ok'
  channelOf(state).record('client_to_server', { kind, outcome, method, context: contextOf(state) })
}

function settleAccepted(state: Exchanging, how: HttpEnd): void {
  const { head, keeper, fault, tappedBy } = state
  if (state.reader?.isStream === true && head.method === 'GET') recordSingle(state, 'stream', how)
  if (fault !== undefined && tappedBy === undefined)
    channelOf(state).reject('client_to_server', fault, keeper.body())
  if (head.method !== 'DELETE') return
  recordSingle(state, 'notification', how)
  state.sessions.end(`#${head.header('mcp-session-id') ?? ''}`)
}

function settleUnanswered(state: Exchanging, how: HttpEnd): void {
  const isEmpty = state.requests.length + state.claims.size + state.held.length === 0
  feedHeld(state)
  if (!isEmpty || state.tappedBy !== undefined || !isRecorded(state.head, undefined)) return
  channelOf(state).record('client_to_server', {
    kind: 'rejected',
    failure: { type: how },
    request: state.keeper.body(),
    context: contextOf(state),
  })
}

/** In the modern era a client cancels by going away; before, it may still come back for the answer, if there is a session. */
function closeOwn(state: Exchanging, how: HttpEnd): void {
  if (state.session !== undefined) return
  const reason = how === 'complete' ? 'stream_ended' : how
  state.channel?.close(how === 'client_gone' && state.isModern ? 'closed' : reason)
}

function settle(state: Exchanging, how: HttpEnd): void {
  const { answer, keeper, reader } = state
  if (answer === undefined) settleUnanswered(state, how)
  else if (answer.status >= 400) refuse(state, readRefusal(state, answer))
  else settleAccepted(state, how)
  closeOwn(state, how)
  keeper.release()
  reader?.release()
}

function claimed(state: Exchanging, message: unknown, channelId: string): void {
  state.tappedBy = channelId
  const [rpcId, method] = [member(message, 'id'), textMember(message, 'method')]
  if (!isRpcId(rpcId) || method === undefined || state.isOver) return
  state.claims.set(rpcId, method)
  const at = state.requests.indexOf(rpcId)
  if (at === -1) return
  state.requests.splice(at, 1)
  state.channel?.forget('client_to_server', rpcId)
}

/** Does it now if the request was read, else afterwards. */
function afterRequest(state: Exchanging, act: () => void, bytes = 0): void {
  if (state.isRequestDone) return act()
  state.waiting.push(act)
  state.waitingBytes += bytes
  if (state.waitingBytes > maxWaitingBytes) finishRequest(state)
}

function end(state: Exchanging, how: HttpEnd): void {
  if (state.isOver) return
  state.isOver = true
  finishRequest(state)
  const done = (): void => settle(state, how)
  if (state.reader === undefined) done()
  else state.reader.end(done)
}

/** Begins to watch one exchange. */
export function createExchange(shared: Shared, head: HttpHead): HttpExchange {
  const state: Exchanging = {
    ...shared,
    head,
    keeper: createKeeper(shared.budget),
    waiting: [],
    waitingBytes: 0,
    isRequestDone: false,
    isOver: false,
    channel: undefined,
    session: undefined,
    requests: [],
    held: [],
    fault: undefined,
    isModern: false,
    claims: new Map(),
    tappedBy: undefined,
    answer: undefined,
    reader: undefined,
    guard: undefined,
    answersTold: new Map(),
    isDenied: false,
  }
  const { later } = shared.path
  return {
    requestBytes: chunk => later(() => (state.isRequestDone ? undefined : state.keeper.push(chunk))),
    requestEnd: () => later(() => finishRequest(state)),
    guarded: told => later(() => void (state.guard = told)),
    noted: (rpcId, handling) => later(() => void state.answersTold.set(rpcId, handling)),
    reply: answer => later(() => afterRequest(state, () => onReply(state, answer))),
    replyBytes: chunk => later(() => afterRequest(state, () => state.reader?.push(chunk), chunk.length)),
    end: how => later(() => end(state, how)),
    claim: (message, channelId) => later(() => claimed(state, message, channelId)),
  }
}
