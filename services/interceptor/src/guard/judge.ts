import type { Finding } from '@muniment/schema'
import { isMembers, member, textMember, type Members } from '../json.ts'
import { cancelledId, labelInMeta, targetOf } from '../message.ts'
import { isRpcId } from '../pending.ts'
import { problem, type OnProblem } from '../problem.ts'
import type { ChannelInfo, Context, Direction, Labels, PolicyNote } from '../record.ts'
import { andThen, type Soon } from '../soon.ts'
import { askFenced } from './fence.ts'
import type { Guard, Refusal, Subject, Verdict } from './guard.ts'
import { createOpenCalls, type OpenCalls } from './open-calls.ts'
import { createQuestions, type Questions } from './questions.ts'
import { isAsked, refuseMessage, type RefusalMessage } from './refusal.ts'

/** What came with a message. */
type About = Context & Pick<Subject, 'address' | 'arrivedMs' | 'header' | 'headerNames'>

/** What becomes of a message that a guard has something to say of. */
export interface Handling {
  readonly notes: readonly PolicyNote[]
  /** Goes on in its place. */
  readonly message?: Members | undefined
  /** Fields that the HTTP request must then carry. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly findings?: readonly Finding[] | undefined
  /** It does not go on. */
  readonly refusal?: Refusal | undefined
  /** What its sender is told then; nothing where it asked nothing. */
  readonly answer?: RefusalMessage | undefined
  /** It waits: the client is asked that first, and `later`, which never rejects, says what becomes of it. */
  readonly asks?: Members
  readonly later?: Promise<Handling | undefined>
  /** It answers a question of ours, and goes nowhere. */
  readonly isOurs?: true
}

/** Asks the guard of one channel about the messages of that channel; never throws, never rejects, and forgets no call. */
export interface Judge {
  /** `undefined`: the message goes on as it is. */
  readonly inward: (message: unknown, about: About) => Soon<Handling | undefined>
  readonly outward: (message: unknown, about: About) => Soon<Handling | undefined>
  /** Whether anything that servers say is looked at before it goes on. */
  readonly readsOutward: boolean
  /** What the request was that a message from the server belongs to, by its id. */
  readonly find: (rpcId: unknown) => Subject | undefined
  /** The answer to a call went by without being judged. */
  readonly answered: (message: unknown) => void
  /** No answer can come any more. */
  readonly close: () => void
}

export interface JudgeOptions {
  readonly guard: Guard
  readonly info: ChannelInfo
  readonly labels: () => Labels
  readonly onProblem: OnProblem
  /** Where requests and their answers come by different ways, both know these. */
  readonly calls?: OpenCalls
  /** Whoever asks for judgements can send clients requests, and let one wait while others pass. */
  readonly mayAsk?: boolean
  /** Where questions and their answers come by different ways, both know these. */
  readonly asking?: Asking
}

/** What is asked of one client, and whether it can be asked. */
export interface Asking {
  readonly questions: Questions
  /** What the client said of itself when the connection began. */
  readonly client: { elicits: boolean }
}

/** Nothing is known of the client, and nothing asked. */
export function createAsking(): Asking {
  return { questions: createQuestions(), client: { elicits: false } }
}

type State = JudgeOptions & Asking & { readonly calls: OpenCalls }

/** A capability without details is that of forms. */
function hasForms(elicitation: unknown): boolean {
  return isMembers(elicitation) && ('form' in elicitation || Object.keys(elicitation).length === 0)
}

function elicitsOf({ mayAsk, client }: State, params: unknown): Subject['elicits'] {
  const declared = member(member(params, '_meta'), 'io.modelcontextprotocol/clientCapabilities')
  if (declared !== undefined) return hasForms(member(declared, 'elicitation')) ? 'result' : undefined
  return mayAsk === true && client.elicits ? 'request' : undefined
}

const failure: Verdict = {
  refusal: { code: 'SERVICE_ERROR' },
  notes: [{ name: 'guard', decision: 'refuse', reason: 'The guard itself failed.' }],
}

function fenced(ask: () => Soon<Verdict | undefined>, onProblem: OnProblem): Soon<Verdict | undefined> {
  return askFenced(ask, { failure, onProblem })
}

function subjectOf(state: State, message: Members | undefined, about: About): Subject {
  const { info, labels } = state
  const method = textMember(message, 'method') ?? ''
  const params = message?.['params']
  const { client, server } = labels()
  return {
    tenant: info.tenant,
    method,
    target: method === '' ? undefined : targetOf(method, params),
    principal: about.principal,
    client: (labelInMeta(member(params, '_meta')) ?? client)?.name,
    server: info.serverName ?? server?.name,
    channelId: info.id,
    transport: info.transport,
    arrivedMs: about.arrivedMs,
    sessionId: about.sessionId,
    address: about.address,
    header: about.header,
    headerNames: about.headerNames,
    elicits: elicitsOf(state, params),
  }
}

/** A part that changed whom a message is for is broken. */
function checked(verdict: Verdict | undefined, message: Members, onProblem: OnProblem): Verdict | undefined {
  const replaced = verdict?.message
  if (replaced === undefined) return verdict
  if (replaced['id'] === message['id'] && replaced['method'] === message['method']) return verdict
  onProblem(problem('SERVICE_ERROR', 'A part of the guard changed the id or the method of a message.'))
  return failure
}

interface Requested {
  readonly state: State
  readonly subject: Subject
  readonly message: Members
}

/** Lets a request wait for what the client says to a question; one that is answered with another waits on. */
function pose(requested: Requested, question: NonNullable<Verdict['question']>): Handling {
  const { state, subject, message } = requested
  const { message: asks, answer } = state.questions.ask(question, message['id'], subject.principal)
  const settle = async (): Promise<Handling | undefined> => {
    const given = await answer
    return settleRequest(requested, await fenced(() => question.settle(given), state.onProblem))
  }
  return { notes: [], asks, later: settle() }
}

function settleRequest(requested: Requested, given: Verdict | undefined): Handling | undefined {
  const { state, subject, message } = requested
  const verdict = checked(given, message, state.onProblem)
  if (verdict?.question !== undefined) return pose(requested, verdict.question)
  if (verdict?.refusal !== undefined) {
    const { refusal, notes } = verdict
    // A part before the one that refuses may hold something for it.
    state.guard.ended?.(subject)
    return { refusal, notes, answer: refuseMessage(message, refusal).answer }
  }
  state.calls.put(message['id'], subject)
  return verdict
}

function request(state: State, message: Members, about: About): Soon<Handling | undefined> {
  const { guard, onProblem, client } = state
  if (message['method'] === 'initialize')
    client.elicits = hasForms(member(member(message['params'], 'capabilities'), 'elicitation'))
  const subject = subjectOf(state, message, about)
  const { request: ask } = guard
  const asked = ask === undefined ? undefined : fenced(() => ask(subject, message), onProblem)
  return andThen(asked, given => settleRequest({ state, subject, message }, given))
}

/** Of what is no request, a message that could not be judged is kept back; an answer then says so. */
function settleOther(
  given: Verdict | undefined,
  message: Members,
  onProblem: OnProblem,
): Handling | undefined {
  const verdict = checked(given, message, onProblem)
  if (verdict?.refusal === undefined || message['method'] !== undefined) return verdict
  const { answer } = refuseMessage(message, verdict.refusal)
  return answer === undefined ? verdict : { notes: verdict.notes, message: { ...answer } }
}

interface Other {
  readonly message: Members
  readonly direction: Direction
  readonly about: About
}

function other(state: State, { message, direction, about }: Other): Soon<Handling | undefined> {
  const { guard, onProblem } = state
  const { other: ask } = guard
  if (ask === undefined) return undefined
  const subject = subjectOf(state, message, about)
  const asked = fenced(() => ask(subject, message, direction), onProblem)
  return andThen(asked, given => settleOther(given, message, onProblem))
}

function inward(state: State, message: unknown, about: About): Soon<Handling | undefined> {
  if (isAsked(message)) return request(state, message, about)
  if (!isMembers(message)) return undefined
  if (state.questions.take(message, about.principal)) return { notes: [], isOurs: true }
  const cancelled = cancelledId(textMember(message, 'method') ?? '', message)
  if (cancelled !== undefined) {
    state.calls.end(cancelled)
    state.questions.cancel(cancelled)
  }
  return other(state, { message, direction: 'client_to_server', about })
}

function outward(state: State, message: unknown, about: About): Soon<Handling | undefined> {
  if (!isMembers(message)) return undefined
  if (textMember(message, 'method') !== undefined)
    return other(state, { message, direction: 'server_to_client', about })
  const { guard, calls, onProblem } = state
  const known = calls.end(message['id'])
  const { response: ask } = guard
  if (ask === undefined) return undefined
  const subject = known ?? subjectOf(state, undefined, about)
  const asked = fenced(() => ask(subject, message), onProblem)
  return andThen(asked, given => settleOther(given, message, onProblem))
}

/** Makes the judge of one channel. */
export function createJudge(options: JudgeOptions): Judge {
  const { guard } = options
  const calls = options.calls ?? createOpenCalls(guard.ended)
  const { questions, client } = options.asking ?? createAsking()
  const state: State = { ...options, calls, questions, client }
  return {
    inward: (message, about) => inward(state, message, about),
    outward: (message, about) => outward(state, message, about),
    readsOutward: guard.response !== undefined || guard.other !== undefined,
    find: calls.find,
    answered: message => {
      if (isMembers(message) && isRpcId(message['id']) && message['method'] === undefined)
        calls.end(message['id'])
    },
    close: () => {
      questions.close()
      calls.close()
    },
  }
}
