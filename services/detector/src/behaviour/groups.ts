import type { Alert } from '@muniment/schema'
import { alertOf, stableUid, type AlertPlace } from './alert.ts'
import type { Observation } from './observation.ts'
import { bound, type GroupState, type PartitionState } from './state.ts'

const mostGroups = 50_000
const mostEvidences = 3
/** Names come from servers and callers; what is kept of them is bounded. */
const longestName = 256

function openGroup(observation: Observation, key: string): GroupState {
  const { rule, timeMs, eventId } = observation
  return {
    uid: stableUid(rule.id, key, eventId),
    firstMs: timeMs,
    lastMs: timeMs,
    count: 0,
    notifyAt: 1,
    score: 0,
    evidences: [],
  }
}

function keepEvidence(current: GroupState, observation: Observation): void {
  if (current.evidences.length < mostEvidences) {
    current.evidences.push({ event_id: observation.eventId, ...observation.evidence })
  }
}

/**
 * Adds an observation to its group: the same rule and dedup key, not further than the rule's period after the newest one.
 * Returns an alert at the 1st, 10th, 100th … observation, else nothing.
 */
export function addToGroup(
  state: PartitionState,
  place: Pick<AlertPlace, 'lane' | 'policyDigest'>,
  observation: Observation,
): Alert | undefined {
  const { rule, tenant, fields, timeMs } = observation
  const values = rule.dedupKeys.map(
    name => Object.entries(fields).find(([field]) => field === name)?.[1] ?? '',
  )
  const dedupKey = [rule.name, tenant, ...values.map(value => value.slice(0, longestName))].join('|')
  const known = state.groups.get(dedupKey)
  const isOpen = known !== undefined && timeMs - known.lastMs <= rule.dedupPeriodMs
  const current = isOpen ? known : openGroup(observation, dedupKey)
  current.count += 1
  current.lastMs = Math.max(current.lastMs, timeMs)
  current.score = Math.max(current.score, observation.score)
  keepEvidence(current, observation)
  state.groups.delete(dedupKey)
  state.groups.set(dedupKey, current)
  bound(state, 'groups', mostGroups)
  if (current.count < current.notifyAt) return undefined
  current.notifyAt *= 10
  const seq = state.alertSeq
  state.alertSeq += 1
  return alertOf(observation, current, { ...place, dedupKey, seq })
}
