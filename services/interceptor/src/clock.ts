/** Time for the core, so that tests and simulations decide what time it is. */
export interface Clock {
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number
  /** Milliseconds that never go backwards. */
  readonly monotonicMs: () => number
  /** Runs something later without keeping the process alive, 0 = after what waits now; returns how to cancel it. */
  readonly after: (delayMs: number, run: () => void) => () => void
}

/** The machine's own time. */
export const systemClock: Clock = {
  nowMs: Date.now,
  monotonicMs: () => performance.now(),
  after: (delayMs, run) => {
    if (delayMs === 0) {
      // Not unreferenced: such an immediate waits for the next event of something else.
      const immediate = setImmediate(run)
      return () => clearImmediate(immediate)
    }
    const timer = setTimeout(run, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** Cancels nothing. */
export function noCancel(): void {
  return undefined
}

/** Runs a task again and again; returns how to stop that. */
export function repeat(clock: Clock, everyMs: number, task: () => void): () => void {
  let cancel = noCancel
  const again = (): void => {
    cancel = clock.after(everyMs, () => {
      task()
      again()
    })
  }
  again()
  return () => cancel()
}

/** Resolves after a while; like every timer here it does not keep the process alive. */
export function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise(resolve => {
    clock.after(delayMs, resolve)
  })
}
