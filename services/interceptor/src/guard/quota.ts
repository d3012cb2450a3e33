/** An allowance: so much in a window of time, of which `burst` may be spent at once. */
export interface Quota {
  readonly amount: number
  readonly windowMs: number
  readonly burst: number
}

/** How an allowance stands once a cost was taken, or would be. */
export interface Taken {
  readonly remaining: number
  /** Until it is whole again. */
  readonly resetMs: number
  /** Until there is enough; absent where there is. */
  readonly retryAfterMs?: number
}

/** Allowances by key. Memory is bounded, and no flood of keys gives anybody back what was spent. */
export interface Quotas {
  /** What taking would lead to. */
  readonly look: (key: string, quota: Quota, cost: number) => Taken
  readonly take: (key: string, quota: Quota, cost: number) => void
  readonly size: () => number
}

const mostKeys = 100_000
const sweepEveryMs = 1000
/** Longer keys count by their beginning. */
const maxKeyLength = 1024

/**
 * Token buckets, each kept as one number (GCRA): the time at which it is full again. A bucket that is full is forgotten. Where too many are
 * not, whoever is new shares one bucket until there is room: to evict a bucket would be to refill it.
 */
export function createQuotas(monotonicMs: () => number, maxKeys = mostKeys): Quotas {
  const fullAt = new Map<string, number>()
  let sweptMs = -Infinity
  function sweep(now: number): void {
    if (now - sweptMs < sweepEveryMs) return
    sweptMs = now
    for (const [key, at] of fullAt) if (at <= now) fullAt.delete(key)
  }
  function placeOf(key: string, { amount, windowMs }: Quota, now: number): string {
    const short = key.slice(0, maxKeyLength)
    if (fullAt.has(short) || fullAt.size < maxKeys) return short
    sweep(now)
    return fullAt.size < maxKeys ? short : `\0${amount}/${windowMs}`
  }
  function next(key: string, quota: Quota, cost: number): readonly [string, number, number] {
    const now = monotonicMs()
    const place = placeOf(key, quota, now)
    return [place, Math.max(fullAt.get(place) ?? 0, now) + (quota.windowMs / quota.amount) * cost, now]
  }
  return {
    look: (key, quota, cost) => {
      const [, at, now] = next(key, quota, cost)
      const each = quota.windowMs / quota.amount
      const left = quota.burst * each - (at - now)
      // A rounding of the clock is no reason to refuse.
      if (left > -0.001) return { remaining: Math.max(0, Math.floor(left / each + 0.001)), resetMs: at - now }
      return { remaining: 0, resetMs: at - now - each * cost, retryAfterMs: -left }
    },
    take: (key, quota, cost) => {
      const [place, at] = next(key, quota, cost)
      fullAt.set(place, at)
    },
    size: () => fullAt.size,
  }
}
