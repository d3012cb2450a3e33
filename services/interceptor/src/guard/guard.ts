// What a guard is to those who attach one.
import type { Decision, Observation } from '@muniment/schema'
import type { Settings } from '../options.ts'
import type { Principal } from '../record.ts'

/** One request as a guard sees it. */
export interface Subject {
  readonly tenant: string
  readonly method: string
  readonly target?: string | undefined
  readonly principal?: Principal | undefined
  /** Names that both sides gave themselves. */
  readonly client?: string | undefined
  readonly server?: string | undefined
}

/** What the event says of a guard's part in it. */
export type PolicyNote = NonNullable<Observation['policy']>[number]

/** How a request is refused: nothing but this reaches the caller. */
export interface Refusal {
  readonly code: 'ACCESS_DENIED' | 'RATE_LIMITED' | 'INVALID_INPUT' | 'SERVICE_ERROR'
  /** What a person may do about it; never says which rule, or why. */
  readonly hint?: string
  readonly retryAfterMs?: number
}

/** What a guard thinks of a request. */
export interface Verdict {
  readonly refusal?: Refusal
  readonly notes: readonly PolicyNote[]
}

/** Judges requests, at once and without throwing; `undefined` where it has nothing to say. */
export interface Guard {
  readonly check: (subject: Subject) => Verdict | undefined
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
}

/** A guard that is not open yet; made by the doors of `@muniment/interceptor/guard`. */
export interface GuardPart {
  readonly open: (context: GuardContext) => Guard
}
