import { AsyncLocalStorage } from 'node:async_hooks'
import type { PolicyNote } from '../guard/guard.ts'
import type { Principal } from '../record.ts'

/** An HTTP exchange that is told which of its messages reached an observed server object, and are recorded there. */
export interface Claimant {
  readonly claim: (message: unknown, channelId: string) => void
  /** Who was verified at the door. */
  readonly principal?: Principal | undefined
  /** What was said of it there. */
  readonly notes?: readonly PolicyNote[] | undefined
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

/** Says that a message is recorded on a channel, to the HTTP exchange in whose course it was delivered, if there is one. */
export function claim(message: unknown, channelId: string): void {
  scope.getStore()?.claim(message, channelId)
}
