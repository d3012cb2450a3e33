import { decisionKey, type Decision } from '@muniment/schema'

const mostKeys = 50_000
/** After this long without one, the next offence is a first one again. */
const forgetMs = 24 * 3_600_000

/** The newest decision about each value, also after it has ended: what escalation remembers. */
export interface History {
  readonly note: (decision: Decision) => void
  /** The newest decision about the key that still counts at this time. */
  readonly last: (key: string, nowMs: number) => Decision | undefined
}

/** A history without entries; of too many, the one noted first is forgotten. */
export function createHistory(): History {
  const newest = new Map<string, Decision>()
  return {
    note: decision => {
      const key = decisionKey(decision)
      if ((newest.get(key)?.version ?? -1) > decision.version) return
      newest.delete(key)
      newest.set(key, decision)
      if (newest.size > mostKeys) newest.delete(newest.keys().next().value ?? '')
    },
    last: (key, nowMs) => {
      const decision = newest.get(key)
      return decision !== undefined && Date.parse(decision.expires) + forgetMs > nowMs ? decision : undefined
    },
  }
}
