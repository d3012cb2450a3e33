import type { StateStore } from '@muniment/state'

/** What a lease is held with. */
export interface LeaseOptions {
  readonly state: StateStore
  readonly key: string
  /** Names this holder; no other process may use it. */
  readonly holder: string
  readonly durationMs: number
  readonly nowMs: () => number
}

/**
 * A claim to be the only one at work. It saves work and never guards it: after a long pause, or with a wrong clock, two
 * processes may both believe that they hold it.
 */
export interface Lease {
  /** Takes or keeps the lease; `false` where somebody else holds it. */
  readonly hold: () => Promise<boolean>
  /** Lets the next one start at once. */
  readonly release: () => Promise<void>
}

interface Claim {
  readonly holder: string
  readonly expiresMs: number
}

function parseClaim(bytes: Uint8Array): Claim | undefined {
  try {
    const { holder, expiresMs }: Partial<Claim> = JSON.parse(Buffer.from(bytes).toString())
    return typeof holder === 'string' && typeof expiresMs === 'number' ? { holder, expiresMs } : undefined
  } catch {
    return undefined
  }
}

/** A lease in the state store, replaced by compare-and-swap. */
export function createLease(options: LeaseOptions): Lease {
  const { state, key, holder, durationMs, nowMs } = options
  let heldUntilMs = 0

  const write = (expiresMs: number, expected: string | undefined): Promise<string | undefined> => {
    const claim: Claim = { holder, expiresMs }
    return state.put(key, Buffer.from(JSON.stringify(claim)), expected)
  }

  return {
    async hold() {
      const now = nowMs()
      // Renewed in its last two thirds only, so that holding it costs little.
      if (heldUntilMs - now > (durationMs * 2) / 3) return true
      const entry = await state.get(key)
      const claim = entry && parseClaim(entry.value)
      const isFree = claim === undefined || claim.holder === holder || claim.expiresMs <= now
      const isOurs = isFree && (await write(now + durationMs, entry?.version)) !== undefined
      heldUntilMs = isOurs ? now + durationMs : 0
      return isOurs
    },
    async release() {
      if (heldUntilMs === 0) return
      heldUntilMs = 0
      const entry = await state.get(key)
      if (entry !== undefined && parseClaim(entry.value)?.holder === holder) await write(0, entry.version)
    },
  }
}
