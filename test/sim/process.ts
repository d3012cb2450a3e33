import type { Clock } from '@muniment/interceptor/core'
import type { Random } from './random.ts'
import { epochMs, type Time } from './time.ts'
import type { Trace } from './trace.ts'

/** A process of the simulation. It may die or be suspended between any two things it does. */
export interface Process {
  readonly name: string
  readonly clock: Clock
  readonly isAlive: () => boolean
  readonly isFrozen: () => boolean
  /** Something of this process: never after its death, and not while it is suspended. */
  readonly after: (delayMs: number, run: () => void) => () => void
  /** Resolves later; never, where the process dies before. */
  readonly pause: (delayMs: number) => Promise<void>
  readonly crash: () => void
  readonly freeze: (forMs: number) => void
  /** Moves its clock, not its timers. */
  readonly shiftClock: (byMs: number) => void
  readonly onCrash: (run: () => void) => void
  /** Called with how long the process is suspended. */
  readonly onFreeze: (run: (forMs: number) => void) => void
  /** Aborted where it is to stop in order. */
  readonly stop: AbortController
}

export interface ProcessOptions {
  readonly name: string
  readonly time: Time
  readonly random: Random
  readonly trace: Trace
}

const maxSkewMs = 3000

function noCancel(): void {
  return undefined
}

export function createProcess({ name, time, random, trace }: ProcessOptions): Process {
  let isAlive = true
  let frozenUntilMs = 0
  let skewMs = Math.round(random.between(-maxSkewMs, maxSkewMs))
  const crashListeners: (() => void)[] = []
  const freezeListeners: ((forMs: number) => void)[] = []
  const stop = new AbortController()
  // Signals composed of others are kept for as long as those may still abort, and with them the world of a process that died.
  time.atEnd(() => stop.abort())

  function after(delayMs: number, run: () => void): () => void {
    let cancel = noCancel
    const attempt = (): void => {
      if (!isAlive) return
      const leftMs = frozenUntilMs - time.nowMs()
      if (leftMs > 0) cancel = time.after(leftMs, attempt)
      else run()
    }
    cancel = time.after(delayMs, attempt)
    return () => cancel()
  }

  return {
    name,
    clock: { nowMs: () => epochMs + Math.floor(time.nowMs()) + skewMs, monotonicMs: time.nowMs, after },
    isAlive: () => isAlive,
    isFrozen: () => frozenUntilMs > time.nowMs(),
    after,
    pause: delayMs => new Promise(resolve => after(delayMs, resolve)),
    crash: () => {
      if (!isAlive) return
      isAlive = false
      trace(name, 'dies')
      for (const listener of crashListeners) listener()
    },
    freeze: forMs => {
      if (!isAlive) return
      frozenUntilMs = Math.max(frozenUntilMs, time.nowMs() + forMs)
      trace(name, `is suspended for ${Math.round(forMs)} ms`)
      for (const listener of freezeListeners) listener(forMs)
    },
    shiftClock: byMs => {
      skewMs += byMs
      trace(name, `its clock jumps by ${byMs} ms`)
    },
    onCrash: run => crashListeners.push(run),
    onFreeze: run => freezeListeners.push(run),
    stop,
  }
}
