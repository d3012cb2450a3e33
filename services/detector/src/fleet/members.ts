import type { DecisionDraft } from '@muniment/keys'
import type { Signal } from '@muniment/schema'

/** How long things hold, in milliseconds. */
export interface FleetTimes {
  /** Life of a decision. */
  readonly lifeMs: number
  /** How far the clocks of processes may be apart. */
  readonly skewMs: number
  /** How long a process that records nothing keeps its share. */
  readonly silentMs: number
}

/** Who records calls of which server, and what share each may have. */
export interface FleetMembers {
  readonly see: (signal: Pick<Signal, 'tenant' | 'server' | 'lane' | 'kind'>) => void
  /** What is to be said now. */
  readonly drafts: () => readonly DecisionDraft[]
}

interface Member {
  firstMs: number
  lastMs: number
}

interface Fleet {
  readonly tenant: string
  readonly server: string
  readonly members: Map<string, Member>
}

const mostFleets = 1000
/** As many as a decision may name. */
const mostMembers = 64

interface State extends FleetTimes {
  readonly now: () => number
  readonly fleets: Map<string, Fleet>
}

function fleetOf({ fleets }: State, tenant: string, server: string): Fleet | undefined {
  const key = JSON.stringify([tenant, server])
  const known = fleets.get(key)
  if (known !== undefined || fleets.size >= mostFleets) return known
  const fleet = { tenant, server, members: new Map() }
  fleets.set(key, fleet)
  return fleet
}

/** Signals about a lane, and those of replays, have a mark in the name of the lane: they were not recorded now. */
function isOfProcess({ lane, kind }: Pick<Signal, 'lane' | 'kind'>): boolean {
  return (kind === 'call' || kind === 'enforcement') && !lane.includes('#') && !lane.includes('~')
}

function see(state: State, signal: Pick<Signal, 'tenant' | 'server' | 'lane' | 'kind'>): void {
  const { tenant, server, lane } = signal
  if (server === undefined || !isOfProcess(signal)) return
  const members = fleetOf(state, tenant, server)?.members
  const nowMs = state.now()
  const known = members?.get(lane)
  if (known !== undefined) known.lastMs = nowMs
  // One more than can be named is enough to know that there are too many.
  else if (members !== undefined && members.size <= mostMembers)
    members.set(lane, { firstMs: nowMs, lastMs: nowMs })
}

/**
 * A member counts from when it is first seen, and as long as a decision that names it may be in force; it is named once every decision that
 * does not count it has expired. So whatever decisions processes still go by, the shares of those named add up to one at most.
 */
function draftOf(state: State, { tenant, server, members }: Fleet): DecisionDraft | undefined {
  const { lifeMs, skewMs, silentMs } = state
  const nowMs = state.now()
  for (const [lane, { lastMs }] of members)
    if (nowMs - lastMs > silentMs + lifeMs + skewMs) members.delete(lane)
  if (members.size > mostMembers) return undefined
  const named = [...members].filter(
    ([, { firstMs, lastMs }]) => nowMs - lastMs <= silentMs && nowMs - firstMs > lifeMs + skewMs,
  )
  if (named.length === 0) return undefined
  return {
    scope: 'fleet',
    value: server,
    tenant,
    action: 'share',
    members: named.map(([lane]) => lane),
    of: members.size,
    rule: 'limit/fleet',
    reason: `${members.size} processes share the limits of this server.`,
    lifeMs,
  }
}

/** Counts from nothing: who takes over names nobody until all that was said before has expired. */
export function createFleetMembers(times: FleetTimes, now: () => number): FleetMembers {
  const state: State = { ...times, now, fleets: new Map() }
  return {
    see: signal => see(state, signal),
    drafts: () => {
      const drafts = [...state.fleets.values()].flatMap(fleet => draftOf(state, fleet) ?? [])
      for (const [key, { members }] of state.fleets) if (members.size === 0) state.fleets.delete(key)
      return drafts
    },
  }
}
