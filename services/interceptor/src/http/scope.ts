import { AsyncLocalStorage } from 'node:async_hooks'
import { isDeepStrictEqual } from 'node:util'
import type { PolicyNote, Principal, RecordFirst } from '../record.ts'

/** An HTTP exchange that is told which of its messages reached an observed server object, and are recorded there. */
export interface Claimant {
  readonly claim: (message: unknown, channelId: string) => void
  /** Who was verified at the door. */
  readonly principal?: Principal | undefined
  /** What was said of it there. */
  readonly notes?: readonly PolicyNote[] | undefined
  /** What was recorded there before it came in. */
  readonly recorded?: RecordedFirst | undefined
}

/** Messages that were recorded at the door before they came in, on a channel that the server object behind takes for its own. */
export interface RecordedFirst {
  readonly by: RecordFirst
  readonly channelId: string
  /** Those that no server object has taken yet, so that a like message of another server is not mistaken for one. */
  readonly messages: Set<unknown>
}

const scope = new AsyncLocalStorage<Claimant>()

/** Runs the server's code for one HTTP exchange. */
export function within<T>(claimant: Claimant, run: () => T): T {
  return scope.run(claimant, run)
}

/** What is known from the door of the HTTP exchange under way. */
export function visitInScope(): Pick<Claimant, 'principal' | 'notes'> | undefined {
  return scope.getStore()
}

/** The channel of what was recorded at the door: for the connection that is opened in the course of the exchange. */
export function channelInScope(): string | undefined {
  return scope.getStore()?.recorded?.channelId
}

/** The channel on which this very message was recorded first at the door, by the same recorder; told once. */
export function takeRecorded(by: RecordFirst, message: unknown): string | undefined {
  const recorded = scope.getStore()?.recorded
  if (recorded?.by !== by) return undefined
  for (const one of recorded.messages)
    if (isDeepStrictEqual(one, message)) {
      recorded.messages.delete(one)
      return recorded.channelId
    }
  return undefined
}

/** Says that a message is recorded on a channel, to the HTTP exchange in whose course it was delivered, if there is one. */
export function claim(message: unknown, channelId: string): void {
  scope.getStore()?.claim(message, channelId)
}
