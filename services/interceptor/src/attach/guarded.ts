import { AppError } from '@muniment/schema'
import type { Handling, Judge } from '../guard/judge.ts'
import { claim } from '../http/scope.ts'
import { contextOf, headerNamesOf, headerOf } from '../identity.ts'
import { isMembers, member } from '../json.ts'
import type { Arrival, Channel } from '../observe.ts'
import { problemOf, type OnProblem } from '../problem.ts'
import type { Direction } from '../record.ts'
import { createSerial, isPromise, andThen } from '../soon.ts'
import { snapshot } from '../snapshot.ts'
import { enclose, listenTo, standBefore } from './hooks.ts'

/** A transport of a server whose messages are judged before they go on. */
export interface GuardedTarget {
  readonly channel: Channel
  readonly judge: Judge
  readonly onProblem: OnProblem
}

interface State extends GuardedTarget {
  readonly transport: object
  /** Sends past the guard and the observer. */
  readonly send: (message: unknown, options?: object) => unknown
  isClosed: boolean
}

/** Records a message as it came, with what the guard says of it. */
function record({ channel, judge, onProblem, isClosed }: State, arrival: Arrival, handling?: Handling): void {
  try {
    if (handling?.refusal === undefined)
      channel.message({ ...arrival, policy: handling?.notes, change: changeOf(handling) })
    else channel.deny(arrival, handling)
    if (!isClosed) return
    // The connection ended while the verdict was awaited.
    channel.close('closed')
    judge.close()
  } catch (error) {
    onProblem(problemOf(error, 'A message could not be observed'))
  }
}

function changeOf(handling: Handling | undefined): Arrival['change'] {
  if (handling?.message === undefined) return undefined
  return { body: snapshot(handling.message), findings: handling.findings }
}

function answer(state: State, { answer: message }: Handling): void {
  if (message !== undefined) sendOurs(state, message)
}

function sendOurs({ send, onProblem }: State, message: object, options?: object): void {
  const failed = (error: unknown): void =>
    onProblem(problemOf(error, 'A message of the guard could not be sent'))
  try {
    Promise.resolve(send(message, options)).catch(failed)
  } catch (error) {
    failed(error)
  }
}

/** Asks the client on the way of its request; others pass meanwhile. */
function pose(
  state: State,
  { asks, later, rpcId }: Handling & { readonly rpcId: unknown },
  go: (then: Handling | undefined) => void,
): void {
  if (asks !== undefined) sendOurs(state, asks, { relatedRequestId: rpcId })
  later
    ?.then(go)
    .catch((error: unknown) => state.onProblem(problemOf(error, 'A message could not be delivered')))
}

function arrivalOf(direction: Direction, message: unknown, context: Arrival['context']): Arrival {
  return { direction, message, body: snapshot(message), context }
}

function guardInward(state: State): void {
  const { transport, judge, channel, onProblem } = state
  const turn = createSerial()
  standBefore(transport, 'onmessage', (deliver, [message, extra, ...rest]) => {
    const context = contextOf(extra, transport)
    const arrival = arrivalOf('client_to_server', message, context)
    const { transport: kind, id } = channel.info
    if (kind === 'http' || kind === 'sse') claim(message, id)
    const about = {
      ...context,
      header: headerOf(extra),
      headerNames: headerNamesOf(extra),
      arrivedMs: performance.now(),
    }
    const go = (handling: Handling | undefined): void => {
      if (handling?.isOurs === true) return
      if (handling?.later !== undefined) return pose(state, { ...handling, rpcId: member(message, 'id') }, go)
      record(state, arrival, handling)
      if (handling?.refusal !== undefined) answer(state, handling)
      else deliver(handling?.message ?? message, extra, ...rest)
    }
    const done = turn(() => andThen(judge.inward(message, about), go))
    if (isPromise(done))
      done.catch((error: unknown) => onProblem(problemOf(error, 'A message could not be delivered')))
  })
}

/** The request in whose course a message is sent: both lines of the SDK name it. */
function aboutOf({ judge }: State, options: unknown): Parameters<Judge['outward']>[1] {
  const related = isMembers(options) ? judge.find(options['relatedRequestId']) : undefined
  return related ?? {}
}

/** A server that asks its client learns that nobody was asked, instead of waiting. */
function keptBack(message: unknown): undefined {
  if (!isMembers(message) || message['method'] === undefined || message['id'] === undefined) return undefined
  throw new AppError('SERVICE_ERROR', 'What a server asks its client was kept back by the guard.')
}

function guardOutward(state: State): void {
  const { transport, judge } = state
  const turn = createSerial()
  enclose(transport, 'send', async (send, [message, options, ...rest]) => {
    const arrival = arrivalOf('server_to_client', message, undefined)
    const sent = turn(() =>
      andThen(judge.outward(message, aboutOf(state, options)), handling => {
        record(state, arrival, handling)
        if (handling?.refusal !== undefined) return keptBack(message)
        // In a box: the next message waits for the verdict on this one, not for its way to the client.
        return { way: send(handling?.message ?? message, options, ...rest) }
      }),
    )
    const { way } = (await sent) ?? {}
    await way
  })
}

function senderOf(transport: object): State['send'] {
  const send: unknown = Reflect.get(transport, 'send')
  return (...args) => (typeof send === 'function' ? Reflect.apply(send, transport, args) : undefined)
}

/** Judges what passes a server's transport, both ways and in order, and records it. */
export function guardTransport(transport: object, target: GuardedTarget): void {
  const { channel, judge, onProblem } = target
  const state: State = { ...target, transport, send: senderOf(transport), isClosed: false }
  guardInward(state)
  guardOutward(state)
  listenTo(transport, 'onclose', () => {
    state.isClosed = true
    try {
      channel.close('closed')
      judge.close()
    } catch (error) {
      onProblem(problemOf(error, 'The end of a connection could not be observed'))
    }
  })
}
