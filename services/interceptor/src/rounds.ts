import type { Exchange } from './record.ts'

/** Counts the exchanges of one logical call: a result asks for input, the retry brings its state back. */
export interface Rounds {
  /** The round of an exchange, 0 for the first; `undefined` where it is not part of a chain. */
  readonly of: (exchange: Pick<Exchange, 'stateIn' | 'stateOut'>) => number | undefined
}

const maxKept = 4096
const keyLength = 256

/** State is opaque and may be long; its ends and length tell states apart well enough to count. */
function keyOf(state: string): string {
  if (state.length <= keyLength) return state
  const half = keyLength / 2
  return `${state.length}:${state.slice(0, half)}${state.slice(-half)}`
}

export function createRounds(): Rounds {
  const kept = new Map<string, number>()
  return {
    of: ({ stateIn, stateOut }) => {
      if (stateIn === undefined && stateOut === undefined) return undefined
      const round = stateIn === undefined ? 0 : (kept.get(keyOf(stateIn)) ?? 1)
      if (stateOut !== undefined) kept.set(keyOf(stateOut), round + 1)
      for (const oldest of kept.keys()) {
        if (kept.size <= maxKept) break
        kept.delete(oldest)
      }
      return round
    },
  }
}
