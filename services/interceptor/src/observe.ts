import type { Clock } from './clock.ts'
import type { Handling } from './guard/judge.ts'
import { isMembers, textMember, type Members } from './json.ts'
import {
  createPendingTable,
  isRpcId,
  putPending,
  takeOlderThan,
  takeOldest,
  takePending,
  type Pending,
  type PendingTable,
  type RpcId,
} from './pending.ts'
import { cancelledId, describeRequest, describeResponse } from './message.ts'
import type { Body, Change, ChannelInfo, Context, Direction, Exchange, Labels, PolicyNote } from './record.ts'

/** One message as it arrived at a tap. */
export interface Arrival {
  /** Direction of the message itself; an exchange has the direction of its request. */
  readonly direction: Direction
  /** The parsed message; not kept. */
  readonly message: unknown
  /** What is kept of it. */
  readonly body: Body
  readonly context?: Context | undefined
  /** What a guard noted of it while it let it pass. */
  readonly policy?: readonly PolicyNote[] | undefined
  /** What it let pass instead. */
  readonly change?: Change | undefined
}

/** Watches one channel: messages in, exchanges out. Every request ends in exactly one exchange; nothing throws for a message. */
export interface Channel {
  readonly info: ChannelInfo
  /** Refuses an open request, as its HTTP answer did; nothing where none is open. */
  readonly refuse: (direction: Direction, rpcId: RpcId, refusal: Refusal) => void
  /** Drops an open request that somebody else records. */
  readonly forget: (direction: Direction, rpcId: RpcId) => void
  /** Whether a request waits for its answer. */
  readonly isOpen: (direction: Direction, rpcId: RpcId) => boolean
  /** Records what has no exchange of messages around it: an event stream, a request that HTTP alone refused. */
  readonly record: (direction: Direction, end: End) => void
  readonly message: (arrival: Arrival) => void
  /** Records a message that a guard kept back, together with its answer, which must not be recorded again. */
  readonly deny: (arrival: Arrival, handling: Handling) => void
  /** What both sides have said about themselves. */
  readonly labels: () => Labels
  /** Something that is no message. */
  readonly reject: (direction: Direction, type: string, body: Body) => void
  /** No answer can come any more. */
  readonly close: (reason: string) => void
  /** Ends the requests that were sent before a monotonic time. */
  readonly expire: (beforeMs: number) => void
  /** How many requests wait for an answer. */
  readonly pending: () => number
}

/** Bounds of what one channel may keep. */
export interface ObserveLimits {
  readonly maxPending: number
  readonly maxPendingBytes: number
}

export interface ObserveOptions {
  readonly info: ChannelInfo
  readonly labels?: Labels
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>
  readonly limits?: ObserveLimits
  readonly emit: (exchange: Exchange) => void
  /** Called when the first request begins to wait, and when none waits any more. */
  readonly onBusy?: (isBusy: boolean, channel: Channel) => void
}

/** How a record ended, with whatever else is known of it. */
type End = Partial<Exchange> & Pick<Exchange, 'kind'>

/** Why a request was turned away before a server saw it. */
export type Refusal = Pick<Exchange, 'outcome' | 'failure' | 'response'> & { readonly context?: Context }

interface State extends ObserveOptions {
  readonly table: PendingTable
  readonly limits: ObserveLimits
  labels: Labels
  channel: Channel | undefined
}

const defaultLimits: ObserveLimits = { maxPending: 4096, maxPendingBytes: 32 * 1024 * 1024 }
const noContext: Context = {}
const streamMethod = 'subscriptions/listen'

function opposite(direction: Direction): Direction {
  return direction === 'client_to_server' ? 'server_to_client' : 'client_to_server'
}

/** One function serves all channels, so it is told which. */
function tellBusy({ onBusy, channel }: State, isBusy: boolean): void {
  if (channel !== undefined) onBusy?.(isBusy, channel)
}

function finish(state: State, pending: Pending, end: End): void {
  if (state.table.count === 0) tellBusy(state, false)
  const { method, target, taskId, meta, stateIn } = pending.facts
  state.emit({
    direction: pending.direction,
    timeMs: pending.timeMs,
    durationMs: state.clock.monotonicMs() - pending.startedMs,
    method,
    target,
    rpcId: pending.rpcId,
    taskId,
    meta,
    stateIn,
    channel: state.info,
    labels: state.labels,
    context: pending.context,
    policy: pending.policy,
    request: pending.body,
    requestChange: pending.change,
    ...end,
  })
}

/** Over HTTP in the modern era, where a request is a channel of its own, its client cancels by closing it (2026-07-28). */
function isCancelledByClosing({ info }: State, { context }: Pending, type: string): boolean {
  const isModern = context.protocolVersion !== undefined && context.sessionId === undefined
  return type === 'closed' && info.transport === 'http' && isModern
}

function abandon(state: State, pending: Pending, type: string): void {
  const outcome = isCancelledByClosing(state, pending, type) ? 'cancelled' : 'unanswered'
  const isStream = outcome === 'cancelled' && pending.facts.method === streamMethod
  finish(state, pending, { kind: isStream ? 'stream' : outcome, outcome, failure: { type } })
}

/** Records what has no exchange around it. */
function emitSingle(state: State, direction: Direction, end: End): void {
  const { clock, info, labels } = state
  state.emit({ direction, timeMs: clock.nowMs(), channel: info, labels, context: noContext, ...end })
}

function rejected(state: State, { direction, body }: Arrival, type = 'invalid_request'): void {
  emitSingle(state, direction, { kind: 'rejected', failure: { type }, request: body })
}

function makeRoom(state: State, sizeBytes: number): void {
  const { table, limits } = state
  while (table.count >= limits.maxPending || table.sizeBytes + sizeBytes > limits.maxPendingBytes) {
    const oldest = takeOldest(table)
    if (oldest === undefined) return
    abandon(state, oldest, 'evicted')
  }
}

type Call = Members & { readonly method: string }

const refusalBytes = 128

/** Records a refused message as an exchange that has ended, so that no later answer can be taken for its own. */
function deny(state: State, arrival: Arrival, { refusal, answer, notes }: Handling): void {
  const { body, context = noContext, direction } = arrival
  const rpcId = answer?.id ?? undefined
  const type = refusal?.code ?? 'SERVICE_ERROR'
  emitSingle(state, direction, {
    kind: 'rejected',
    outcome: 'denied',
    ...factsOf(arrival),
    context,
    policy: bothNotes(context.notes, notes),
    request: body,
    failure: answer?.error === undefined ? { type } : { code: answer.error.code, type },
    ...(answer !== undefined && { response: { json: answer, sizeBytes: refusalBytes } }),
    ...(rpcId !== undefined && { kind: 'call', rpcId, durationMs: 0 }),
  })
}

function factsOf({ message }: Arrival): Partial<Exchange> {
  if (!isMembers(message) || !isCall(message)) return {}
  const { method, target, taskId, meta, stateIn } = describeRequest(message.method, message)
  return { method, target, taskId, meta, stateIn }
}

function request(state: State, arrival: Arrival, message: Call): void {
  const { direction, body, context = noContext, policy, change } = arrival
  const rpcId = message['id']
  if (!isRpcId(rpcId)) return rejected(state, arrival)
  const facts = describeRequest(message.method, message)
  if (facts.client !== undefined) state.labels = { ...state.labels, client: facts.client }
  makeRoom(state, body.sizeBytes)
  const { clock, table } = state
  if (table.count === 0) tellBusy(state, true)
  const timeMs = clock.nowMs()
  putPending(table, {
    direction,
    rpcId,
    facts,
    body,
    context,
    policy: bothNotes(context.notes, policy),
    change,
    timeMs,
    startedMs: clock.monotonicMs(),
  })
}

function notification(state: State, arrival: Arrival, message: Call): void {
  const { direction, body, context = noContext, policy, change } = arrival
  const id = cancelledId(message.method, message)
  const cancelled = isRpcId(id) ? takePending(state.table, direction, id) : undefined
  if (cancelled !== undefined) {
    const kind = cancelled.facts.method === streamMethod ? 'stream' : 'cancelled'
    finish(state, cancelled, { kind, outcome: 'cancelled' })
  }
  const { method, meta, taskId } = describeRequest(message.method, message)
  const seen = { context, policy, request: body, requestChange: change }
  const end: End = { kind: 'notification', method, meta, taskId, ...seen }
  emitSingle(state, direction, end)
}

type Notes = readonly PolicyNote[] | undefined

function bothNotes(before: Notes, after: Notes): Notes {
  return before === undefined || after === undefined ? (before ?? after) : [...before, ...after]
}

function response(state: State, arrival: Arrival, message: Members): void {
  const { body, policy, change: responseChange } = arrival
  const direction = opposite(arrival.direction)
  const id = message['id']
  const rpcId = isRpcId(id) ? id : undefined
  const pending = rpcId === undefined ? undefined : takePending(state.table, direction, rpcId)
  if (pending === undefined) {
    const failure = { type: 'unmatched_response' }
    const end: End = { kind: 'rejected', failure, rpcId, policy, response: body, responseChange }
    return emitSingle(state, direction, end)
  }
  const { method, taskId } = pending.facts
  const facts = describeResponse(method, message)
  if (facts.labels !== undefined) state.labels = { ...state.labels, ...facts.labels }
  finish(state, pending, {
    kind: method === streamMethod ? 'stream' : 'call',
    outcome: facts.outcome,
    failure: facts.failure,
    policy: bothNotes(pending.policy, policy),
    itemCount: facts.itemCount,
    taskId: facts.taskId ?? taskId,
    stateOut: facts.stateOut,
    response: body,
    responseChange,
  })
}

function isCall(message: Members): message is Call {
  return textMember(message, 'method') !== undefined
}

function record(state: State, arrival: Arrival): void {
  const { message } = arrival
  if (!isMembers(message) || message['jsonrpc'] !== '2.0') rejected(state, arrival)
  else if (isCall(message))
    if (message['id'] === undefined) notification(state, arrival, message)
    else request(state, arrival, message)
  else if (message['result'] === undefined && message['error'] === undefined) rejected(state, arrival)
  else response(state, arrival, message)
}

/** Makes the observer of one channel. */
export function observeChannel(options: ObserveOptions): Channel {
  const { info, labels = {}, limits = defaultLimits } = options
  const state: State = { ...options, labels, limits, table: createPendingTable(), channel: undefined }
  const { table } = state
  const channel: Channel = {
    info,
    message: arrival => record(state, arrival),
    deny: (arrival, handling) => deny(state, arrival, handling),
    labels: () => state.labels,
    refuse: (direction, rpcId, refusal) => {
      const pending = takePending(table, direction, rpcId)
      if (pending !== undefined) finish(state, pending, { kind: 'rejected', ...refusal })
    },
    forget: (direction, rpcId) => {
      if (takePending(table, direction, rpcId) !== undefined && table.count === 0) tellBusy(state, false)
    },
    isOpen: (direction, rpcId) => table[direction]?.has(rpcId) === true,
    record: (direction, end) => emitSingle(state, direction, end),
    reject: (direction, type, body) => rejected(state, { direction, message: undefined, body }, type),
    close: reason => {
      for (let one = takeOldest(table); one !== undefined; one = takeOldest(table))
        abandon(state, one, reason)
    },
    expire: beforeMs => {
      for (let one = takeOlderThan(table, beforeMs); one !== undefined; one = takeOlderThan(table, beforeMs))
        abandon(state, one, 'deadline')
    },
    pending: () => table.count,
  }
  state.channel = channel
  return channel
}
