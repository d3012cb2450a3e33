import type { Consumer, Position } from '../bus.ts'
import type { Seat } from './seat.ts'

/** One member's dealings with its group. */
export interface Membership {
  readonly join: () => Promise<void>
  /** Releases the seat and lets others take the partitions. */
  readonly leave: () => Promise<void>
  readonly commit: (positions: readonly Position[]) => Promise<void>
}

export interface AttendOptions {
  readonly seat: Seat
  readonly membership: Membership
  /** Aborts when the member or the bus ends. */
  readonly ended: AbortSignal
}

/** Resolves when the signal has aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** Runs a member of a group from joining to leaving. */
export function attend({ seat, membership, ended }: AttendOptions): Consumer {
  async function run(): Promise<void> {
    const end = aborted(ended)
    try {
      await membership.join()
      await Promise.race([seat.failure, end])
    } finally {
      await membership.leave()
    }
    await Promise.race([seat.failure, end])
  }

  const done = run()
  // Whoever awaits `done` later still sees the rejection; until then it must not count as unhandled.
  done.catch(() => undefined)
  return {
    done,
    commit: membership.commit,
    seek: seat.seek,
    pause: partitions => seat.setPaused(partitions, true),
    resume: partitions => seat.setPaused(partitions, false),
  }
}
