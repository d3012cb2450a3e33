/** An HTTP exchange that is told which of its messages reached an observed server object, and are recorded there. */
export interface Claimant {
  readonly claim: (message: unknown, channelId: string) => void
}
