import { AppError } from '@muniment/schema'
import type { GuardPart, Refusal, Subject, Verdict } from '../guard/guard.ts'
import { takeRecorded } from '../http/scope.ts'
import { isMembers, type Members } from '../json.ts'
import { describeRequest } from '../message.ts'
import { isRpcId } from '../pending.ts'
import { problem, type OnProblem } from '../problem.ts'
import type { Exchange, RecordFirst } from '../record.ts'
import type { Delivery } from '../settings.ts'
import { snapshot } from '../snapshot.ts'
import type { Soon } from '../soon.ts'
import { requestMatcher } from './patterns.ts'

interface State extends Delivery {
  readonly recordFirst: RecordFirst
  readonly onProblem: OnProblem
  /** A record that did not become durable in time and has not since: while there is one, nobody else need wait to find that out. */
  late: Promise<void> | undefined
}

const refusal: Refusal = { code: 'SERVICE_ERROR', hint: 'The call could not be recorded. Try again later.' }

function refuse(reason: string): Verdict {
  return { refusal, notes: [{ name: 'delivery', decision: 'refuse', reason }] }
}

function begunOf(subject: Subject, message: Members): Exchange {
  const { tenant, client, server, channelId = '', transport = 'in_memory', principal, sessionId } = subject
  const rpcId = message['id']
  const { method, target, taskId, meta, stateIn } = describeRequest(subject.method, message)
  return {
    kind: 'begun',
    direction: 'client_to_server',
    timeMs: Date.now(),
    method,
    target,
    taskId,
    meta,
    stateIn,
    ...(isRpcId(rpcId) && { rpcId }),
    channel: { id: channelId, transport, serverName: server, tenant },
    labels: client === undefined ? {} : { client: { name: client } },
    context: { principal, sessionId },
    request: snapshot(message),
  }
}

/** Whether it is durable in time. */
async function inTime(durable: Promise<void>, waitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => {
    timer = setTimeout(() => resolve(false), waitMs)
  })
  try {
    return await Promise.race([durable.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}

function missed(state: State, durable: Promise<void>): void {
  const { deadlineMs, onProblem } = state
  const recovered = (): void => {
    if (state.late === durable) state.late = undefined
  }
  state.late = durable
  void durable.then(recovered)
  onProblem(
    problem(
      'SERVICE_ERROR',
      `Calls that must be recorded first are refused: a record was not durable within ${deadlineMs} ms.`,
      'Bring the bus back, or give the spool room; both were tried.',
    ),
  )
}

async function wait(state: State, durable: Promise<void>, waitMs: number): Promise<Verdict | undefined> {
  if (await inTime(durable, waitMs)) return undefined
  missed(state, durable)
  return refuse(`not durable within ${state.deadlineMs} ms`)
}

/** Counted from when the message came, so that those that wait behind one another do not wait one after the other. */
function leftMs({ deadlineMs }: Delivery, { arrivedMs }: Subject): number {
  return arrivedMs === undefined ? deadlineMs : arrivedMs + deadlineMs - performance.now()
}

/** The edge in front may have recorded it already; its own channel is named where the server object has another. */
function recordedBefore(channelId: string, subject: Subject): Verdict | undefined {
  if (channelId === subject.channelId) return undefined
  return { notes: [{ name: 'delivery', decision: 'recorded', reason: `begun on channel ${channelId}` }] }
}

function request(state: State, subject: Subject, message: Members): Soon<Verdict | undefined> {
  const recorded = takeRecorded(state.recordFirst, message)
  if (recorded !== undefined) return recordedBefore(recorded, subject)
  const waitMs = leftMs(state, subject)
  if (state.late !== undefined || waitMs <= 0) return refuse('nothing becomes durable')
  const durable = state.recordFirst(begunOf(subject, message))
  if (durable === undefined) return refuse('no room for the record')
  return wait(state, durable, waitMs).then(verdict => {
    if (verdict === undefined) recordedMessages.add(message)
    return verdict
  })
}

const recordedMessages = new WeakSet<object>()

/** Whether this message, the very object, was recorded before it was let pass. */
export function isRecorded(message: unknown): boolean {
  return isMembers(message) && recordedMessages.has(message)
}

/** A part that lets a server see the requests that were meant only once they are on the bus, or safe on this disk. Throws `CONFIG_INVALID`. */
export function recordRequestsFirst(delivery: Delivery): GuardPart {
  const matches = requestMatcher(delivery.failClosed)
  return {
    stage: 'record',
    open: ({ settings, recordFirst }) => {
      const { onProblem } = settings
      if (recordFirst === undefined)
        throw new AppError('CONFIG_INVALID', 'Requests cannot be held back here until they are recorded.')
      const state: State = { ...delivery, recordFirst, onProblem, late: undefined }
      return {
        request: (subject, message) =>
          matches(subject.method, subject.target) ? request(state, subject, message) : undefined,
      }
    },
  }
}
