import type { Clock } from '../src/clock.ts'

/** Time that passes only when it is told to. */
export interface FakeClock extends Clock {
  /** Runs everything due within the next while, in order, letting promises settle in between. */
  readonly advance: (ms: number) => Promise<void>
}

interface Timer {
  readonly dueMs: number
  readonly run: () => void
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

export function createFakeClock(startMs = 1_700_000_000_000): FakeClock {
  let nowMs = 0
  const timers = new Set<Timer>()
  function nextDue(untilMs: number): Timer | undefined {
    let found: Timer | undefined
    for (const timer of timers)
      if (timer.dueMs <= untilMs && (found === undefined || timer.dueMs < found.dueMs)) found = timer
    return found
  }
  return {
    nowMs: () => startMs + nowMs,
    monotonicMs: () => nowMs,
    after: (delayMs, run) => {
      const timer = { dueMs: nowMs + delayMs, run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    advance: async ms => {
      const untilMs = nowMs + ms
      await settle()
      for (let timer = nextDue(untilMs); timer !== undefined; timer = nextDue(untilMs)) {
        timers.delete(timer)
        nowMs = Math.max(nowMs, timer.dueMs)
        timer.run()
        await settle()
      }
      nowMs = untilMs
    },
  }
}
