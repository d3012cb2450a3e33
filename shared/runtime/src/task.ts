/** A long-running part of a process. `run` resolves after `signal` aborted and the work in hand is finished; it rejects when it cannot go on. */
export interface Task {
  run(signal: AbortSignal): Promise<void>
}

/** Where a process takes time from: milliseconds since the epoch by the system's clock, and milliseconds that never go back. */
export interface Clock {
  readonly nowMs: () => number
  readonly monotonicMs: () => number
}

/** The clock of this machine. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}
