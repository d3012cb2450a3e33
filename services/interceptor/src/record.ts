import type { Finding, Observation } from '@muniment/schema'

/** Who sent a request, and so in which direction its exchange goes. */
export type Direction = NonNullable<Observation['direction']>
export type Transport = NonNullable<Observation['transport']>
export type Principal = NonNullable<Observation['principal']>
/** What an event says of a guard's part in it: a rule and a reason, never a token, key or argument. */
export type PolicyNote = NonNullable<Observation['policy']>[number]
export type Label = NonNullable<Observation['client']>

/** A message as it is kept until it is serialised: its bytes where they were seen, else the object that held it. */
export type Body =
  | { readonly raw: Uint8Array; readonly sizeBytes: number }
  | { readonly json: unknown; readonly sizeBytes: number }

/** What a guard let go on in place of a message. */
export interface Change {
  readonly body: Body
  /** What it found in the message, without content. */
  readonly findings?: readonly Finding[] | undefined
}

/** What both sides of a channel said about themselves; replaced as a whole, never edited, so records may share it. */
export interface Labels {
  readonly client?: Label
  readonly server?: Label
  readonly protocolVersion?: string
}

/** One stream of messages with ids of its own: a process's stdio, an HTTP session, an HTTP request. */
export interface ChannelInfo {
  readonly id: string
  readonly transport: Transport
  /** Name that the operator gave to the server. */
  readonly serverName?: string | undefined
  readonly tenant: string
}

/** What came with a message beside its text. */
export interface Context {
  readonly principal?: Principal | undefined
  readonly sessionId?: string | undefined
  readonly protocolVersion?: string | undefined
  /** What was said at the door of the HTTP request that brought it. */
  readonly notes?: readonly PolicyNote[] | undefined
}

/** How an exchange failed: the code as it was on the wire and a stable word for it. */
export interface Failure {
  readonly code?: string | number
  readonly type: string
}

/** What is known of one exchange, notification or rejection at the moment it ended; cheap to make, turned into an observation later. */
export interface Exchange {
  readonly kind: 'begun' | 'call' | 'notification' | 'rejected' | 'cancelled' | 'unanswered' | 'stream'
  readonly outcome?: Observation['outcome']
  readonly direction: Direction
  readonly timeMs: number
  readonly durationMs?: number | undefined
  readonly method?: string | undefined
  readonly target?: string | undefined
  readonly rpcId?: string | number | undefined
  readonly taskId?: string | undefined
  /** `_meta` of the request: trace context, per-request labels. */
  readonly meta?: unknown
  /** State that a retry of the same logical call carries, and state that this result asks to be sent back. */
  readonly stateIn?: string | undefined
  readonly stateOut?: string | undefined
  readonly itemCount?: number | undefined
  readonly failure?: Failure | undefined
  /** What a guard did or would have done. */
  readonly policy?: readonly PolicyNote[] | undefined
  readonly channel: ChannelInfo
  readonly labels: Labels
  readonly context: Context
  readonly request?: Body | undefined
  readonly response?: Body | undefined
  readonly requestChange?: Change | undefined
  readonly responseChange?: Change | undefined
}

/** Numbers that were given out but whose records were not kept. */
interface Gap {
  readonly fromSeq: number
  readonly toSeq: number
  readonly count: number
  readonly reason: string
}

/** Something that a person or program did to Muniment itself, or read out of it. */
export interface AdminAct {
  /** What was done, as in `muniment/keys.rotate`. */
  readonly method: string
  /** To what. */
  readonly target?: string
  readonly outcome: 'ok' | 'denied' | 'rpc_error'
  readonly principal: Principal
  /** Facts of the act; masked like any message. */
  readonly details: Readonly<Record<string, unknown>>
}

/** What a lane carries. */
export type Item =
  | { readonly type: 'exchange'; readonly exchange: Exchange }
  | { readonly type: 'admin'; readonly act: AdminAct; readonly timeMs: number }
  | { readonly type: 'lane'; readonly state: 'start' | 'alive' | 'end'; readonly timeMs: number }
  | { readonly type: 'gap'; readonly gap: Gap; readonly timeMs: number }

/** An item with its number. */
export interface Entry {
  readonly seq: number
  readonly item: Item
  /** What it counts for in the ring. */
  readonly sizeBytes: number
}

/** Records what must be durable before something else may happen: a promise of that, or nothing where it was lost. */
export type RecordFirst = (exchange: Exchange) => Promise<void> | undefined
