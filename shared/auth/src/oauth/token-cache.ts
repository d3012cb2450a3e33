import { createHash } from 'node:crypto'
import { createBoundedMap } from '../bounded-map.ts'
import type { Accepted } from '../method.ts'

/** Tokens that were verified, by their hash: no token is kept. */
export interface TokenCache {
  readonly get: (key: string) => Accepted | undefined
  /** Keeps a finding until `untilMs`. */
  readonly set: (key: string, found: Accepted, untilMs: number) => void
  /** Forgets everything, so that every token is verified anew. */
  readonly clear: () => void
}

const mostTokens = 10_000

/** What a token is kept under: for one resource only, because a token may be for another. */
export function tokenKey(token: string, resource: string): string {
  return createHash('sha256').update(`${resource}\0${token}`).digest('base64url')
}

/** Keeps at most 10,000 tokens; of too many those that were not used for long are verified again. */
export function createTokenCache(now: () => number): TokenCache {
  const entries = createBoundedMap<{ readonly found: Accepted; readonly untilMs: number }>(mostTokens)
  return {
    get: key => {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      if (now() < entry.untilMs) return entry.found
      entries.delete(key)
      return undefined
    },
    set: (key, found, untilMs) => {
      if (untilMs > now()) entries.set(key, { found, untilMs })
    },
    clear: entries.clear,
  }
}
