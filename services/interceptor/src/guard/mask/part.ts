import { resolveMasking, type Conversation, type MaskingDecision, type SurfaceRule } from '@muniment/pii'
import type { Members } from '../../json.ts'
import type { Direction, Principal } from '../../record.ts'
import { andThen, type Soon } from '../../soon.ts'
import type { Guard, GuardPart, Rewriting, Subject, Verdict } from '../guard.ts'
import { createChannels, type Channels } from './channels.ts'
import { conversationOf, type NameConversation } from './conversation.ts'
import type { Changed, Engine } from './engine.ts'
import { mirroredHeaders } from './mirrored.ts'
import { maskNote, restoreNote } from './notes.ts'
import { openEngine, type MaskBeforeModelOptions } from './options.ts'

interface Call {
  readonly decision: MaskingDecision
  readonly conversation: Conversation | undefined
}

interface State {
  readonly engine: Engine
  readonly rule: SurfaceRule
  readonly setting: boolean | undefined
  readonly name: NameConversation | undefined
  readonly hasRoundTrip: boolean
  readonly calls: WeakMap<Subject, Call>
  readonly channels: Channels
}

const headerName = 'x-mask-pii-before-llm'

/** Answers that hold definitions, as the server's author wrote them: to change them would change what can be called, and how. */
const definitions: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/templates/list',
])

function nameOf(principal: Principal | undefined): string | undefined {
  if (principal?.issuer === undefined) return principal?.id
  return `${principal.issuer}|${principal.id}`
}

function decide({ rule, setting }: State, { header, principal }: Subject): MaskingDecision {
  return resolveMasking({
    policy: { beforeLlm: rule, inLogs: {} },
    settings: { beforeLlm: setting },
    headers: { beforeLlm: header?.(headerName) },
    principal: nameOf(principal),
  }).beforeLlm
}

function conversationFor(state: State, subject: Subject, message: Members): Conversation | undefined {
  if (!state.hasRoundTrip) return undefined
  const { isInitialised } = state.channels.of(subject.channelId)
  const isFirst = subject.method === 'initialize'
  return conversationOf({ subject, message, isInitialised: isInitialised || isFirst, name: state.name })
}

function placeOf(
  { server, target }: Subject,
  conversation: Conversation | undefined,
): Parameters<Engine['mask']>[1] {
  return { server, tool: target, conversation }
}

function rewritten(changed: Changed, decision: MaskingDecision): Rewriting {
  const notes = [maskNote(decision, changed.findings)]
  const { message, findings } = changed
  return message === undefined ? { notes } : { message, findings, notes }
}

/** What comes from the client: tokens of its conversation become what they stand for. */
function restore(
  state: State,
  message: Members,
  { subject, conversation }: Whose,
): Soon<Verdict | undefined> {
  if (conversation === undefined) return undefined
  const { engine } = state
  return andThen(engine.restore(message, conversation), ({ message: restored, ...counts }) => {
    if (counts.restored + counts.unknown === 0) return undefined
    const notes = [restoreNote(counts)]
    if (restored === undefined) return { notes }
    return andThen(
      mirroredHeaders(subject, text => engine.restoreText(text, conversation)),
      headers => ({
        message: restored,
        notes,
        headers,
      }),
    )
  })
}

interface Whose {
  readonly subject: Subject
  readonly conversation: Conversation | undefined
}

function request(state: State, subject: Subject, message: Members): Soon<Verdict | undefined> {
  const decision = decide(state, subject)
  const conversation = conversationFor(state, subject, message)
  state.channels.saw(subject.channelId, {
    isInitialised: subject.method === 'initialize',
    isMaskedByHeader: decision.isMasked && decision.by === 'header',
    // A session begins with its answer.
    conversation: subject.method === 'initialize' ? 'none' : (conversation ?? 'several'),
  })
  state.calls.set(subject, { decision, conversation })
  return restore(state, message, { subject, conversation })
}

/** What belongs to no request is masked too once any request of its connection asked for it. */
function decideForChannel(state: State, subject: Subject): MaskingDecision {
  const decision = decide(state, subject)
  const isAsked = state.channels.of(subject.channelId).isMaskedByHeader
  return decision.isMasked || !isAsked ? decision : { isMasked: true, by: 'header', isHeaderRefused: false }
}

function maskFor(
  state: State,
  message: Members,
  { subject, decision, conversation }: Whose & Call,
): Soon<Rewriting | undefined> {
  if (!decision.isMasked) return decision.by === 'header' ? { notes: [maskNote(decision, [])] } : undefined
  return andThen(state.engine.mask(message, placeOf(subject, conversation)), changed =>
    rewritten(changed, decision),
  )
}

function response(state: State, subject: Subject, message: Members): Soon<Rewriting | undefined> {
  if (definitions.has(subject.method) && message['error'] === undefined) return undefined
  const call = state.calls.get(subject) ?? {
    decision: decideForChannel(state, subject),
    conversation: undefined,
  }
  return maskFor(state, message, { subject, ...call })
}

function other(state: State, { subject, message, direction }: Other): Soon<Rewriting | undefined> {
  if (direction === 'client_to_server')
    return restore(state, message, { subject, conversation: conversationFor(state, subject, message) })
  const { conversation: known } = state.channels.of(subject.channelId)
  const conversation = typeof known === 'object' ? known : undefined
  return maskFor(state, message, { subject, conversation, decision: decideForChannel(state, subject) })
}

interface Other {
  readonly subject: Subject
  readonly message: Members
  readonly direction: Direction
}

/**
 * A guard part that masks personal data in what a server sends before a model sees it, and restores its tokens in what comes back. Give it to
 * `attach`, `wrap` or the proxy as `guard`. Throws `CONFIG_INVALID` for a policy that cannot be used.
 */
export function maskBeforeModel(options: MaskBeforeModelOptions = {}): GuardPart {
  const { mask = true, relaxFor = [], roundTrip } = options
  const engine = openEngine(options)
  return {
    stage: 'mask',
    open: ({ settings }): Guard => {
      const state: State = {
        engine,
        rule: { isMasked: mask, relaxFor },
        setting: options.setting ?? settings.maskBeforeLlm,
        name: roundTrip === false ? undefined : roundTrip?.conversation,
        hasRoundTrip: roundTrip !== false,
        calls: new WeakMap(),
        channels: createChannels(),
      }
      return {
        request: (subject, message) => request(state, subject, message),
        response: (subject, message) => response(state, subject, message),
        other: (subject, message, direction) => other(state, { subject, message, direction }),
      }
    },
  }
}
