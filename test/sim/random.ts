/** Chance that repeats itself: the same seed gives the same numbers on every machine. */
export interface Random {
  /** 0 ≤ x < 1. */
  readonly next: () => number
  /** 0 ≤ n < `below`. */
  readonly int: (below: number) => number
  readonly between: (low: number, high: number) => number
  readonly chance: (share: number) => boolean
  readonly pick: <T>(items: readonly [T, ...T[]]) => T
  readonly bytes: (size: number) => Buffer
  /** A stream of its own, which stays the same however much is drawn from others. */
  readonly fork: (name: string) => Random
}

function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  return value >>> 0
}

/** Mulberry32: 32 bits of state are enough where a run draws some ten thousand numbers. */
function stream(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/** Opens the numbers of a seed. */
export function createRandom(seed: string): Random {
  const next = stream(hash(seed))
  const int = (below: number): number => Math.floor(next() * below)
  return {
    next,
    int,
    between: (low, high) => low + next() * (high - low),
    chance: share => next() < share,
    pick: items => items[int(items.length)] ?? items[0],
    bytes: size => {
      const words = Uint32Array.from({ length: Math.ceil(size / 4) }, () => next() * 0x1_0000_0000)
      return Buffer.from(words.buffer, 0, size)
    },
    fork: name => createRandom(`${seed}/${name}`),
  }
}
