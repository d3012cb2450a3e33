import { setTimeout as sleep } from 'node:timers/promises'

/** How many notices a place gets: so many at once, and so many a minute in the long run. */
export interface Rate {
  readonly perMinute: number
  readonly burst: number
}

/** A token bucket. */
export interface Budget {
  /** Notices that may go out now, without waiting. */
  readonly left: () => number
  /** Takes one; waits for it where there is none. */
  readonly take: (signal: AbortSignal) => Promise<void>
}

const minuteMs = 60_000

/** A full bucket. `monotonicMs` never goes backwards. */
export function createBudget({ perMinute, burst }: Rate, monotonicMs: () => number): Budget {
  const tokenMs = minuteMs / perMinute
  const most = Math.max(1, burst)
  let fullAtMs = -Infinity
  const missing = (): number => Math.max(0, fullAtMs - monotonicMs()) / tokenMs
  return {
    left: () => Math.floor(most - missing()),
    take: async signal => {
      const waitMs = (missing() - (most - 1)) * tokenMs
      if (waitMs > 0) await sleep(waitMs, undefined, { signal })
      fullAtMs = Math.max(fullAtMs, monotonicMs()) + tokenMs
    },
  }
}
