// Virtual time. It moves only when nothing real is under way: all promises have settled as far as they
// can, and what would run outside the thread runs on it (see real.ts). So one seed always gives one order of events.
import { quiet } from './real.ts'

interface Due {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
  isCancelled: boolean
}

/** What time it is in a simulation, and what is due. */
export interface Time {
  /** Milliseconds since the beginning of the run. */
  readonly nowMs: () => number
  /** Calls `run` later, never at once; what is due at the same time keeps its order. Returns how to cancel it. */
  readonly after: (delayMs: number, run: () => void) => () => void
  readonly pause: (delayMs: number) => Promise<void>
  /** Lets time pass until `isOver`; `false` where that is not so by `limitMs` or nothing is due any more. */
  readonly pass: (isOver: () => boolean, limitMs: number) => Promise<boolean>
  /** Called when the simulation is over and nothing more will happen in it. */
  readonly atEnd: (run: () => void) => void
  readonly end: () => void
}

/** When the runs take place. */
export const epochMs = Date.parse('2026-11-01T00:00:00Z')

function isBefore(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

/** Keeps what is due in order; the queues are short, so shifting costs less than a heap. */
function insert(queue: Due[], due: Due): void {
  let low = 0
  let high = queue.length
  while (low < high) {
    const middle = (low + high) >> 1
    const other = queue[middle]
    if (other !== undefined && isBefore(due, other)) low = middle + 1
    else high = middle
  }
  queue.splice(low, 0, due)
}

/** Opens a time of its own. */
export function createTime(): Time {
  // The next one is at the end.
  const queue: Due[] = []
  const atEnd: (() => void)[] = []
  let nowMs = 0
  let order = 0

  function after(delayMs: number, run: () => void): () => void {
    const due = { atMs: nowMs + Math.max(0, delayMs), order: order++, run, isCancelled: false }
    insert(queue, due)
    return () => {
      due.isCancelled = true
    }
  }

  async function pass(isOver: () => boolean, limitMs: number): Promise<boolean> {
    await quiet()
    while (!isOver()) {
      const due = queue.at(-1)
      if (due === undefined || due.atMs > limitMs) {
        nowMs = Math.max(nowMs, limitMs)
        return isOver()
      }
      queue.pop()
      if (due.isCancelled) continue
      nowMs = due.atMs
      due.run()
      await quiet()
    }
    return true
  }

  return {
    nowMs: () => nowMs,
    after,
    pause: delayMs => new Promise(resolve => after(delayMs, resolve)),
    pass,
    atEnd: run => atEnd.push(run),
    end: () => {
      for (const run of atEnd) run()
    },
  }
}
