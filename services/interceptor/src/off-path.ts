import { problemOf, type OnProblem } from './problem.ts'

/** Work that nobody waits for: observing comes after passing on. */
export interface OffPath {
  /** Does something soon, in order, in a turn of its own; its faults never reach the caller. */
  readonly later: (act: () => void) => void
  /** Does at once what still waits. */
  readonly now: () => void
}

export function createOffPath(onProblem: OnProblem): OffPath {
  let waiting: (() => void)[] = []
  const work = (): void => {
    const acts = waiting
    waiting = []
    for (const act of acts)
      try {
        act()
      } catch (error) {
        onProblem(problemOf(error, 'Messages could not be observed'))
      }
  }
  return {
    later: act => {
      if (waiting.length === 0) setImmediate(work)
      waiting.push(act)
    },
    now: work,
  }
}
