import { createControlView, type ControlView } from '@muniment/keys/control'
import { decisionKey, type Decision } from '@muniment/schema'
import { tellRefused } from '../control/refused.ts'
import type { GuardContext, Subject } from './guard.ts'

/** Several processes that share their limits. */
export interface FleetOptions {
  /** Most processes that run at a time; each may spend one part in so many, until a signed decision gives it more. */
  readonly members: number
}

/** The share of this process in the limits of a fleet. */
export interface Shares {
  /** In how many parts an allowance is divided, of which this process has one. */
  readonly parts: (subject: Pick<Subject, 'tenant' | 'server'>) => number
}

/** As many members as a decision can name. */
export const maxMembers = 64

function isShare({ scope, action }: Decision): boolean {
  return scope === 'fleet' && action === 'share'
}

interface State {
  readonly members: number
  readonly lane: string | undefined
  readonly view: ControlView
}

/** More than the smallest share counts only for who is named, and never is there less. */
function partsOf(
  { members, lane, view }: State,
  { tenant, server }: Pick<Subject, 'tenant' | 'server'>,
): number {
  if (server === undefined || lane === undefined || view.isEmpty()) return members
  const decision = view.find(decisionKey({ scope: 'fleet', tenant, value: server }))
  if (decision?.of === undefined || decision.members?.includes(lane) !== true) return members
  return Math.min(members, Math.max(decision.of, decision.members.length))
}

/** Follows who shares the limits. Without news, and where the news is old, each has the smallest share. */
export function createShares(
  members: number,
  { settings, follow, lane }: Pick<GuardContext, 'settings' | 'follow' | 'lane'>,
): Shares {
  const state: State = { members, lane, view: createControlView({ now: Date.now }) }
  follow(({ decisions, refused }) => {
    tellRefused(refused, settings.onProblem)
    for (const decision of decisions) if (isShare(decision)) state.view.apply(decision)
  })
  return { parts: subject => partsOf(state, subject) }
}
