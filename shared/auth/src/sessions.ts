import { createHash } from 'node:crypto'
import { createBoundedMap } from './bounded-map.ts'
import type { Principal } from './method.ts'
import { updateShelf, type Shelf } from './shelf.ts'

/** What is to be said of a session that somebody uses. */
type SessionStanding = 'good' | 'of_other_principal' | 'over'

/**
 * Binds the sessions of a server to whom they were begun by. A session never says who calls: every request brings its own credential, and a session can only make
 * things worse for who brings another's.
 */
export interface Sessions {
  /** Takes in a use by who was verified; the first one binds it. */
  readonly use: (id: string, principal: Principal) => SessionStanding
  /** It is over, for everybody and for good. */
  readonly end: (id: string) => void
}

/** How long sessions hold. */
export interface SessionOptions {
  readonly now: () => number
  /** Without use (default 30 min). */
  readonly idleMs?: number | undefined
  /** However much it is used (default 12 h). */
  readonly absoluteMs?: number | undefined
  /** Where `endAllSessions` says so; read again every 5 s. */
  readonly ended?: Shelf | undefined
}

interface Entry {
  readonly owner: string
  readonly begunMs: number
  readonly usedMs: number
  readonly isOver: boolean
}

const mostSessions = 100_000
const refreshMs = 5000

/** Only the hash is kept: who reads this process's memory cannot take a session over. */
function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url')
}

function ownerOf({ method, issuer, id, client_id: clientId }: Principal): string {
  return JSON.stringify([method, issuer, id, clientId])
}

/** Up to when sessions are over, of what a shelf said so far: never earlier than before, whatever was put back; where it is no number, all are until it is one again. */
function createCutoff(): { readonly ms: () => number; readonly take: (text: string | undefined) => void } {
  let [latestMs, isReadable] = [0, true]
  return {
    ms: () => (isReadable ? latestMs : Number.POSITIVE_INFINITY),
    take: (text = '0') => {
      const ms = Number(text)
      isReadable = Number.isFinite(ms)
      if (isReadable) latestMs = Math.max(latestMs, ms)
    },
  }
}

/** Ends every session that was begun before, in every process that looks at this shelf. */
export async function endAllSessions(shelf: Shelf, nowMs: number): Promise<void> {
  await updateShelf(shelf, text => String(Math.max(nowMs, Number(text ?? 0) || 0)))
}

/** Sessions of one door, in bounded memory. */
export function createSessions(options: SessionOptions): Sessions {
  const { now, idleMs = 1_800_000, absoluteMs = 43_200_000, ended } = options
  const entries = createBoundedMap<Entry>(mostSessions)
  const cutoff = createCutoff()
  let readMs = Number.NEGATIVE_INFINITY

  function follow(): void {
    if (ended === undefined || now() - readMs < refreshMs) return
    readMs = now()
    // Where it cannot be read, what was known before holds; sessions are no authority.
    ended
      .read()
      .then(entry => cutoff.take(entry?.text))
      .catch(() => undefined)
  }

  function isOver({ begunMs, usedMs, isOver: isEnded }: Entry): boolean {
    return isEnded || now() - usedMs > idleMs || now() - begunMs > absoluteMs || begunMs <= cutoff.ms()
  }

  return {
    use: (id, principal) => {
      follow()
      const key = keyOf(id)
      const entry = entries.get(key) ?? {
        owner: ownerOf(principal),
        begunMs: now(),
        usedMs: now(),
        isOver: false,
      }
      if (entry.owner !== ownerOf(principal)) return 'of_other_principal'
      const over = isOver(entry)
      entries.set(key, { ...entry, usedMs: over ? entry.usedMs : now(), isOver: over })
      return over ? 'over' : 'good'
    },
    end: id => {
      const key = keyOf(id)
      const entry = entries.get(key)
      if (entry !== undefined) entries.set(key, { ...entry, isOver: true })
    },
  }
}
