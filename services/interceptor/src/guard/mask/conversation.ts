import type { Conversation } from '@muniment/pii'
import { conversationIn } from '../../describe.ts'
import { member, textMember, type Members } from '../../json.ts'
import type { Subject } from '../guard.ts'

/** Names the conversation that a request belongs to, where its client says so in another way than the baggage of its `_meta`. */
export type NameConversation = (subject: Subject, message: Members) => string | undefined

const versionName = 'io.modelcontextprotocol/protocolVersion'
/** As long as a name can be that was not cut. */
const maxName = 512

/** In the modern era every request names its revision, and neither connection nor process is a conversation. */
function isModern(message: Members): boolean {
  return textMember(member(message['params'], '_meta'), versionName) !== undefined
}

/**
 * A name that a client gives is as good as the client: over HTTP it counts only beside a verified principal, to whom it then belongs. On a
 * connection of one process there is nobody else.
 */
function explicit(subject: Subject, name: string | undefined): readonly string[] | undefined {
  if (name === undefined || name === '' || name.length >= maxName) return undefined
  if (subject.header !== undefined && subject.principal === undefined) return undefined
  const channel = subject.principal === undefined ? (subject.channelId ?? '') : ''
  return ['name', subject.server ?? '', channel, name]
}

function legacy(subject: Subject, isInitialised: boolean): readonly string[] | undefined {
  if (subject.sessionId !== undefined) return ['session', subject.server ?? '', subject.sessionId]
  const isPipe = subject.header === undefined
  return isPipe && isInitialised && subject.channelId !== undefined
    ? ['channel', subject.channelId]
    : undefined
}

function principalOf({ principal }: Subject): string {
  if (principal === undefined) return ''
  return JSON.stringify([principal.method, principal.issuer ?? '', principal.id])
}

export interface Asking {
  readonly subject: Subject
  readonly message: Members
  /** The connection began with `initialize`: it is one conversation, if its transport has no sessions. */
  readonly isInitialised: boolean
  readonly name: NameConversation | undefined
}

/**
 * Whose tokens a message may hold: those of one principal with one server in one conversation. `undefined` where no conversation can be told:
 * then nothing is tokenised, and nothing restored.
 */
export function conversationOf({ subject, message, isInitialised, name }: Asking): Conversation | undefined {
  const given =
    name?.(subject, message) ??
    (isModern(message) ? conversationIn(member(message['params'], '_meta')) : undefined)
  const parts =
    given !== undefined || isModern(message) ? explicit(subject, given) : legacy(subject, isInitialised)
  if (parts === undefined) return undefined
  return { tenant: subject.tenant, principal: principalOf(subject), conversation: JSON.stringify(parts) }
}
