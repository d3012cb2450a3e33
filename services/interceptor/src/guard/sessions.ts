import { createControlView, maxLifeMs } from '@muniment/keys/control'
import { AppError, type Decision } from '@muniment/schema'
import { tellRefused } from '../control/refused.ts'
import type { OnProblem } from '../problem.ts'
import type { Principal } from '../record.ts'
import type { Arriving, DoorReply, DoorRequest, DoorVerdict, Fields, Guard, GuardPart } from './guard.ts'
import {
  createSessionTable,
  nobody,
  type Holder,
  type OwnSession,
  type SessionTable,
} from './session-table.ts'

/** How long sessions of the legacy era hold, and how many there may be. */
export interface SessionsOptions {
  /** Without a use (default 30 min). */
  readonly idleMs?: number
  /** However much it is used (default 12 h, at most 31 days). */
  readonly absoluteMs?: number
  /** At a time (default 10,000); one more ends the one that was used least recently. */
  readonly most?: number
  /** Of one principal at a time (default 1000). */
  readonly mostPerPrincipal?: number
}

const field = 'mcp-session-id'
/** The last version of the protocol that has sessions. */
const lastLegacy = '2025-11-25'
const maxUpstreamIdLength = 512
/** How far apart two clocks may be: what began shortly after a decision by our clock may have begun before it. */
const maxSkewMs = 300_000

interface State {
  readonly table: SessionTable
  readonly absoluteMs: number
}

function ownerOf(principal: Principal | undefined): string {
  if (principal === undefined) return nobody
  const { method, issuer, id, client_id: clientId } = principal
  return JSON.stringify([method, issuer, id, clientId])
}

function isModern({ header }: DoorRequest): boolean {
  const version = header('mcp-protocol-version')
  return version !== undefined && /^\d{4}-\d{2}-\d{2}$/u.test(version) && version > lastLegacy
}

/** Why a session does not count, in a word for the record. */
function refused(why: 'unknown' | 'other' | 'over'): DoorVerdict {
  return {
    // What the protocol says to clients whose session is gone: they begin anew, and get a new id.
    refusal: { code: 'ACCESS_DENIED', status: 404 },
    swap: { [field]: undefined },
    notes: [{ name: 'sessions', decision: 'refuse', reason: `session_${why}` }],
  }
}

interface Asked {
  readonly holder: Holder
  /** What the client showed, and what it stands for. */
  readonly id?: string
  readonly session?: OwnSession
}

/** The id for the client where the server has named one of its own, which no client gets to see. */
function replied({ table }: State, { holder, id, session }: Asked, { status, header }: DoorReply): Fields {
  const upstreamId = header(field)
  if (upstreamId === undefined) return {}
  if (status >= 400 || upstreamId.length > maxUpstreamIdLength) return { [field]: undefined }
  return { [field]: upstreamId === session?.upstreamId ? id : table.begin(upstreamId, holder) }
}

/** Lets an exchange last as long as its session, which does not count as idle meanwhile. */
function accompany({ absoluteMs }: State, session: OwnSession, cut: () => void): () => void {
  const timer = setTimeout(cut, Math.max(0, Math.min(2 ** 31 - 1, session.begunMs + absoluteMs - Date.now())))
  timer.unref()
  session.cuts.add(cut)
  return () => {
    clearTimeout(timer)
    session.cuts.delete(cut)
    session.usedMs = Date.now()
  }
}

function used(state: State, request: DoorRequest, asked: Required<Asked>): DoorVerdict {
  const { session } = asked
  let ownCut: (() => void) | undefined
  const swapReply = (reply: DoorReply): Fields => {
    if (reply.status === 404) {
      // The server has forgotten it: everything under way in it ends but the answer that says so.
      if (ownCut !== undefined) session.cuts.delete(ownCut)
      state.table.end(session)
    }
    return replied(state, asked, reply)
  }
  const verdict = { swap: { [field]: session.upstreamId }, swapReply, notes: [] }
  if (request.method === 'DELETE') {
    // The server behind is told with this request; nobody uses the session after it, whatever is answered.
    state.table.end(session)
    return verdict
  }
  const during = (cut: () => void): (() => void) => {
    ownCut = cut
    return accompany(state, session, cut)
  }
  return { ...verdict, during }
}

function judge(state: State, request: DoorRequest): DoorVerdict {
  const holder = { place: request.place, owner: ownerOf(request.principal) }
  const id = request.header(field)
  if (isModern(request)) return { swap: { [field]: undefined }, swapReply: hide, notes: [] }
  if (id === undefined) return { swapReply: reply => replied(state, { holder }, reply), notes: [] }
  const session = state.table.find(id, holder)
  return typeof session === 'string' ? refused(session) : used(state, request, { holder, id, session })
}

function hide(): Fields {
  return { [field]: undefined }
}

function isEnd({ scope, value, action, tenant }: Decision, ownTenant: string): boolean {
  return scope === 'sessions' && value === '*' && action === 'end' && (tenant ?? ownTenant) === ownTenant
}

/** Ends what decisions end; versions and expiry are the view's to judge. */
function followEnds(table: SessionTable, tenant: string, onProblem: OnProblem): (arriving: Arriving) => void {
  const view = createControlView({ now: Date.now })
  return ({ decisions, refused: count }) => {
    tellRefused(count, onProblem)
    for (const decision of decisions)
      if (isEnd(decision, tenant) && view.apply(decision) === 'applied')
        table.endBefore(Date.parse(decision.issued) + maxSkewMs)
  }
}

function check(name: string, value: number, most: number): void {
  if (value > 0 && value <= most) return
  throw new AppError('CONFIG_INVALID', `sessions: ${name} must be more than 0 and at most ${most}.`)
}

/**
 * Sessions of the legacy era under random ids of our own, at the door of a proxy: bound to who began them and to the server they were begun with, ended by time, by DELETE and by
 * `muniment keys end-sessions`. No session says who calls: it only makes things worse for who brings another's. In the modern era there are none, and what a client calls one is left out.
 */
export function sessions(options: SessionsOptions = {}): GuardPart {
  const { idleMs = 1_800_000, absoluteMs = 43_200_000, most = 10_000, mostPerPrincipal = 1000 } = options
  // A decision that ends sessions is remembered as long as there may be one that it ends.
  for (const [name, value] of Object.entries({ idleMs, absoluteMs })) check(name, value, maxLifeMs)
  for (const [name, value] of Object.entries({ most, mostPerPrincipal })) check(name, value, 1_000_000)
  return {
    stage: 'sessions',
    open: ({ settings, follow }): Guard => {
      const table = createSessionTable({
        now: Date.now,
        idleMs,
        absoluteMs,
        most,
        mostPerOwner: mostPerPrincipal,
      })
      const state: State = { table, absoluteMs }
      follow(followEnds(table, settings.tenant, settings.onProblem))
      return { door: request => judge(state, request) }
    },
  }
}
