import type { Signal } from '@muniment/schema'
import { bound, type PartitionState } from './state.ts'

const mostHandles = 200_000
const longestName = 256

/** Keeps who used a session, task, state handle or token first; the other principal where it turns up under a second one. */
export function observeHandle(
  state: PartitionState,
  { tenant, principal, handle }: Signal,
): string | undefined {
  // Callers that nobody names may all be one, or all be different.
  if (handle === undefined || principal === 'anonymous') return undefined
  const key = `${tenant}\u{0}${handle}`
  const name = principal.slice(0, longestName)
  const first = state.handles.get(key) ?? name
  state.handles.delete(key)
  state.handles.set(key, first)
  bound(state, 'handles', mostHandles)
  return first === name ? undefined : first
}
