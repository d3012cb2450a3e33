/** A rate limit per key, as a token bucket kept as one number (GCRA): the time at which the bucket would be full again. */
export interface RateLimit {
  /** Takes one token; returns how long to wait where there is none. */
  readonly take: (key: string, perMinute: number) => number | undefined
}

const minuteMs = 60_000
/** Share of a minute's tokens that may be spent at once. */
const burstShare = 0.1
const mostKeys = 50_000

/** A limiter that knows no key yet; of too many keys the one used least recently is forgotten. */
export function createRateLimit(monotonicMs: () => number): RateLimit {
  const fullAt = new Map<string, number>()
  return {
    take: (key, perMinute) => {
      const now = monotonicMs()
      const costMs = minuteMs / perMinute
      const burstMs = Math.max(costMs, minuteMs * burstShare)
      const next = Math.max(fullAt.get(key) ?? 0, now) + costMs
      if (next - now > burstMs) return next - now - burstMs
      fullAt.delete(key)
      fullAt.set(key, next)
      if (fullAt.size > mostKeys) fullAt.delete(fullAt.keys().next().value ?? '')
      return undefined
    },
  }
}
