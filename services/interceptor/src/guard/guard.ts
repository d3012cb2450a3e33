// What a guard is to those who attach one, and to those who write a part of one.
import type { Decision, Finding } from '@muniment/schema'
import type { Members } from '../json.ts'
import type { Direction, PolicyNote, Principal, RecordFirst, Transport } from '../record.ts'
import type { Settings } from '../settings.ts'
import type { Soon } from '../soon.ts'

/**
 * The places of parts, outermost first. What comes in passes them in this order, what goes out in the reverse; parts of one
 * place run in the order in which they were given.
 */
export const stages = [
  'limit',
  'authenticate',
  'sessions',
  'decisions',
  'authorise',
  'mask',
  'validate',
  'errors',
  'record',
] as const

/** The place of a part among the others. */
export type Stage = (typeof stages)[number]

/** One request as a guard sees it. The same object comes with its answer, so a part may keep what it knows of a call in a `WeakMap`. */
export interface Subject {
  readonly tenant: string
  /** Empty where an answer or a notification belongs to no request. */
  readonly method: string
  readonly target?: string | undefined
  readonly principal?: Principal | undefined
  /** Names that both sides gave themselves. */
  readonly client?: string | undefined
  readonly server?: string | undefined
  /** The connection, session or HTTP request that the message belongs to. */
  readonly channelId?: string | undefined
  readonly transport?: Transport | undefined
  /** When it came, monotonic; where parts of it are awaited, others wait behind it. */
  readonly arrivedMs?: number | undefined
  readonly sessionId?: string | undefined
  /** Address of the client, over HTTP where it is known. */
  readonly address?: string | undefined
  /** A header field of the HTTP request that brought it, by lower-case name. */
  readonly header?: ((name: string) => string | undefined) | undefined
  /** The names of those fields, in lower case. */
  readonly headerNames?: (() => readonly string[]) | undefined
  /** How the person at the client can be asked in the course of this request: by a request of our own, or by the answer to it. */
  readonly elicits?: 'request' | 'result' | undefined
}

/** How a request is refused: nothing but this reaches the caller. */
export interface Refusal {
  readonly code: 'AUTH_FAILED' | 'ACCESS_DENIED' | 'RATE_LIMITED' | 'INVALID_INPUT' | 'SERVICE_ERROR'
  /** What a person may do about it; never says which rule, or why. */
  readonly hint?: string
  readonly retryAfterMs?: number
  /** In place of an error: what a client of the modern era asks before it sends the request again; only where it `elicits` by `result`. */
  readonly asking?: { readonly inputRequests: Members; readonly requestState: string }
}

/** What a client is asked while its request waits; only where it `elicits` by `request`. */
export interface Question {
  readonly method: string
  readonly params: Members
  readonly timeoutMs: number
  /** What becomes of the request; `undefined` where nobody answered in time. */
  readonly settle: (answer: Members | undefined) => Soon<Verdict | undefined>
}

/** What a part thinks of a request. */
export interface Verdict {
  readonly refusal?: Refusal
  /** Nothing is decided before that is answered; what comes after this part is asked then. */
  readonly question?: Question
  /** Goes on in place of the message; must keep its `id` and `method`. */
  readonly message?: Members
  /** Header fields that an HTTP request must then carry: mirrored arguments. */
  readonly headers?: Readonly<Record<string, string>>
  /** What was found in the message, without content. */
  readonly findings?: readonly Finding[]
  readonly notes: readonly PolicyNote[]
}

/** What a part makes of any other message. */
export interface Rewriting {
  /** Goes on in place of the message; must keep its `id`. */
  readonly message?: Members
  readonly findings?: readonly Finding[]
  readonly notes: readonly PolicyNote[]
}

/** The beginning of an HTTP request, before anything of its body was read. */
export interface DoorRequest {
  readonly tenant: string
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** By lower-case name. */
  readonly header: (name: string) => string | undefined
  readonly address: string | undefined
  /** The client's certificate in DER form, where the connection was made with one. */
  readonly certificate?: Uint8Array | undefined
  /** Which of the servers behind a proxy it is for: the path at which that one stands. */
  readonly place: string
  /** Who was verified so far: by the TLS layer, or by a part before. */
  readonly principal?: Principal | undefined
}

/** How a request is turned away at the door; what is not given follows from the code. */
export interface DoorRefusal extends Refusal {
  readonly status?: number
}

/** Header fields by lower-case name; `undefined` leaves one out. */
export type Fields = Readonly<Record<string, string | undefined>>

/** The beginning of an answer. */
export interface DoorReply {
  readonly status: number
  /** By lower-case name. */
  readonly header: (name: string) => string | undefined
}

/** What a part thinks of an HTTP request; `undefined` where it has nothing to say. */
export interface DoorVerdict {
  readonly refusal?: DoorRefusal
  readonly principal?: Principal
  /** Fields of the request that end here, in lower case: a proxy does not pass them on. */
  readonly drop?: readonly string[]
  /** Fields under which the request goes on, and is recorded, in place of its own. */
  readonly swap?: Fields
  /** Fields of the server's answer in place of its own; asked once, when it begins. What is recorded are its own. */
  readonly swapReply?: (reply: DoorReply) => Fields
  /** Told how to cut the exchange short, when it goes on; what is returned is told of its end. */
  readonly during?: (cut: () => void) => () => void
  /** Fields for the answer, whoever gives it: challenges, what is left of a limit. */
  readonly headers?: Readonly<Record<string, string>>
  readonly notes: readonly PolicyNote[]
}

/**
 * One part of a guard, open. Each hook is optional; `undefined` from one means that it has nothing to say. A promise is for what cannot be
 * helped: the messages of a channel wait for it, in their order. What throws or takes more than ten seconds is a refusal with `SERVICE_ERROR`.
 */
export interface Guard {
  /** An HTTP request, before its body is read. */
  readonly door?: ((request: DoorRequest) => Soon<DoorVerdict | undefined>) | undefined
  /** A document about the guarded server that everybody may read, by its path. */
  readonly document?: ((path: string) => object | undefined) | undefined
  /** What a client asks of a server. */
  readonly request?: ((subject: Subject, message: Members) => Soon<Verdict | undefined>) | undefined
  /** A server's answer to that. */
  readonly response?: ((subject: Subject, message: Members) => Soon<Rewriting | undefined>) | undefined
  /** Any other message, either way: notifications, what servers ask of clients, and the answers to it. */
  readonly other?:
    | ((subject: Subject, message: Members, direction: Direction) => Soon<Rewriting | undefined>)
    | undefined
  /** A request that was let pass is over: answered, cancelled, or never to be answered. Told once, and must not throw. */
  readonly ended?: ((subject: Subject) => void) | undefined
}

/** Where decisions come from while a process runs; told of every batch that arrives. */
export type FollowControl = (listen: (decisions: Arriving) => void) => void

/** Decisions whose signatures were verified, and how many others were refused. */
export interface Arriving {
  readonly decisions: readonly Decision[]
  readonly refused: number
}

/** What a guard is opened with. */
export interface GuardContext {
  readonly settings: Settings
  readonly follow: FollowControl
  /** The lane in which this process records; absent where a part is opened without a recorder. */
  readonly lane?: string | undefined
  /** Absent where requests cannot be held back until they are recorded. */
  readonly recordFirst?: RecordFirst | undefined
}

/** A part that is not open yet; made by the doors of `@muniment/interceptor/guard`. Opened once for each `attach`, proxy or edge. */
export interface GuardPart {
  readonly stage: Stage
  /** Throws `CONFIG_INVALID` for what cannot be meant: a mistake never opens a door. */
  readonly open: (context: GuardContext) => Guard
}
