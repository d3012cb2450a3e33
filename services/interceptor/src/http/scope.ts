import { AsyncLocalStorage } from 'node:async_hooks'

/** An HTTP exchange that is told which of its messages reached an observed server object, and are recorded there. */
export interface Claimant {
  readonly claim: (message: unknown, channelId: string) => void
}

const scope = new AsyncLocalStorage<Claimant>()

/** Runs the server's code for one HTTP exchange. */
export function within<T>(claimant: Claimant, run: () => T): T {
  return scope.run(claimant, run)
}

/** Says that a message is recorded on a channel, to the HTTP exchange in whose course it was delivered, if there is one. */
export function claim(message: unknown, channelId: string): void {
  scope.getStore()?.claim(message, channelId)
}
