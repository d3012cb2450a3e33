import { createHash, randomBytes } from 'node:crypto'

/** A session of the server behind, under an id of ours. */
export interface OwnSession {
  /** Of our id nothing is kept but its hash: who reads this process's memory learns none. */
  readonly key: string
  /** The server's own id, which no client sees. */
  readonly upstreamId: string
  readonly place: string
  readonly owner: string
  readonly begunMs: number
  usedMs: number
  /** How to cut short what is under way in it. */
  readonly cuts: Set<() => void>
}

/** How long sessions hold, and how many there may be. */
export interface TableOptions {
  readonly now: () => number
  readonly idleMs: number
  readonly absoluteMs: number
  readonly most: number
  readonly mostPerOwner: number
}

/** Who brings an id, to which of the servers. */
export interface Holder {
  readonly place: string
  readonly owner: string
}

/** Sessions of one proxy, least recently used first. */
export interface SessionTable {
  /** `other`: it is somebody else's, or another server's. `over`: its time has come; it is forgotten then. */
  readonly find: (id: string, holder: Holder) => OwnSession | 'unknown' | 'other' | 'over'
  /** Draws an id for a session that the server has begun. */
  readonly begin: (upstreamId: string, holder: Holder) => string
  readonly end: (session: OwnSession) => void
  /** Ends those that began before, and cuts short what is under way in them. */
  readonly endBefore: (ms: number) => void
  readonly size: () => number
}

const idBytes = 32
/** Owner of what was begun by who is not known; those who are known have others. */
export const nobody = 'nobody'

function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url')
}

function upstreamKey({ place, upstreamId }: Pick<OwnSession, 'place' | 'upstreamId'>): string {
  return JSON.stringify([place, upstreamId])
}

interface State extends TableOptions {
  readonly byKey: Map<string, OwnSession>
  readonly byUpstream: Map<string, OwnSession>
  readonly byOwner: Map<string, Set<OwnSession>>
}

function end(state: State, session: OwnSession): void {
  const { byKey, byUpstream, byOwner } = state
  if (!byKey.delete(session.key)) return
  byUpstream.delete(upstreamKey(session))
  const owned = byOwner.get(session.owner)
  owned?.delete(session)
  if (owned?.size === 0) byOwner.delete(session.owner)
  for (const cut of session.cuts) cut()
}

/** What is under way in a session is a use of it. */
function isOver({ now, idleMs, absoluteMs }: State, { begunMs, usedMs, cuts }: OwnSession): boolean {
  return now() - begunMs > absoluteMs || (cuts.size === 0 && now() - usedMs > idleMs)
}

function find(state: State, id: string, { place, owner }: Holder): ReturnType<SessionTable['find']> {
  const { byKey, now } = state
  const session = byKey.get(keyOf(id))
  if (session === undefined) return 'unknown'
  if (session.owner !== owner || session.place !== place) return 'other'
  if (isOver(state, session)) {
    end(state, session)
    return 'over'
  }
  session.usedMs = now()
  byKey.delete(session.key)
  byKey.set(session.key, session)
  return session
}

function oldest(sessions: Iterable<OwnSession>): OwnSession | undefined {
  for (const session of sessions) return session
  return undefined
}

/** Makes room for one more: of its owner, and of all. */
function makeRoom(state: State, owner: string): void {
  // Those of nobody in particular are not one owner's.
  const owned = owner === nobody ? undefined : state.byOwner.get(owner)
  const ownOldest = owned !== undefined && owned.size >= state.mostPerOwner ? oldest(owned) : undefined
  if (ownOldest !== undefined) end(state, ownOldest)
  for (const session of state.byKey.values()) {
    if (state.byKey.size < state.most && !isOver(state, session)) return
    end(state, session)
  }
}

function begin(state: State, upstreamId: string, { place, owner }: Holder): string {
  const { byKey, byUpstream, byOwner, now } = state
  // A server that gives an id out again has forgotten whose it was.
  const before = byUpstream.get(upstreamKey({ place, upstreamId }))
  if (before !== undefined) end(state, before)
  makeRoom(state, owner)
  const id = randomBytes(idBytes).toString('base64url')
  const [begunMs, usedMs] = [now(), now()]
  const session = { key: keyOf(id), upstreamId, place, owner, begunMs, usedMs, cuts: new Set<() => void>() }
  byKey.set(session.key, session)
  byUpstream.set(upstreamKey(session), session)
  byOwner.set(owner, (byOwner.get(owner) ?? new Set()).add(session))
  return id
}

/** An empty table, in bounded memory. */
export function createSessionTable(options: TableOptions): SessionTable {
  const state: State = { ...options, byKey: new Map(), byUpstream: new Map(), byOwner: new Map() }
  return {
    find: (id, holder) => find(state, id, holder),
    begin: (upstreamId, holder) => begin(state, upstreamId, holder),
    end: session => end(state, session),
    endBefore: ms => {
      for (const session of state.byKey.values()) if (session.begunMs < ms) end(state, session)
    },
    size: () => state.byKey.size,
  }
}
