import type { Channel } from '../observe.ts'

/** What is known of one session of the legacy era, over HTTP or HTTP with SSE. */
export interface Session {
  readonly channel: Channel
  /** Its messages are recorded at the server object in this process. */
  readonly isTapped: boolean
}

/** What tells the session that a request belongs to. */
export interface Addressed {
  /** Path and query, as the server sees them. */
  readonly target: string
  /** By lower-case name. */
  readonly header: (name: string) => string | undefined
}

/** By its header, or by the address that an HTTP+SSE stream gave out. */
export function sessionKey({ header, target }: Addressed): string {
  const id = header('mcp-session-id')
  return id === undefined ? target : `#${id}`
}

/** The session that a request belongs to. */
export function sessionOf(sessions: Sessions, head: Addressed): Session | undefined {
  return sessions.get(sessionKey(head))
}

/** The sessions under way, least recently used first. */
export interface Sessions {
  readonly get: (key: string) => Session | undefined
  readonly keep: (key: string, session: Session) => void
  /** The session is over: nobody answers in it any more. */
  readonly end: (key: string) => void
  readonly endAll: () => void
}

/** Clients may invent as many as they like. */
const maxSessions = 10_000
const maxKeyLength = 512
const idleMs = 3_600_000

interface Kept {
  readonly session: Session
  readonly usedMs: number
}

export function createSessions(monotonicMs: () => number): Sessions {
  const kept = new Map<string, Kept>()
  function end(key: string, reason: string): void {
    kept.get(key)?.session.channel.close(reason)
    kept.delete(key)
  }
  function sweep(): void {
    for (const [key, { session, usedMs }] of kept) {
      const isIdle = usedMs < monotonicMs() - idleMs && session.channel.pending() === 0
      if (!isIdle && kept.size <= maxSessions) return
      end(key, isIdle ? 'idle' : 'evicted')
    }
  }
  function keep(key: string, session: Session): void {
    if (key.length > maxKeyLength) return
    kept.delete(key)
    kept.set(key, { session, usedMs: monotonicMs() })
    sweep()
  }
  return {
    get: key => {
      const session = kept.get(key)?.session
      if (session !== undefined) keep(key, session)
      return session
    },
    keep,
    end: key => end(key, 'closed'),
    endAll: () => {
      for (const key of kept.keys()) end(key, 'closed')
    },
  }
}
