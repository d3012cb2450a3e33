import type { KeyObject } from 'node:crypto'
import { laneOf, type Alert, type MunimentEvent, type Signal } from '@muniment/schema'
import { groupsOf } from './behaviour/correlate.ts'
import { createFold, groupAspect } from './behaviour/fold.ts'
import { emptyState, type PartitionState } from './behaviour/state.ts'
import type { RulePack } from './sigma/pack.ts'
import { arrangeRules, hitsOf, judgeEvent, signalOf, type Fired } from './signal.ts'

/** What rules make of one event of the past. */
interface Replayed {
  readonly fired: readonly Fired[]
  readonly alerts: readonly Alert[]
}

/** Both stages in one, for events in the order they came: nothing is published, nothing is kept. */
export interface Replay {
  readonly next: (event: MunimentEvent) => Replayed
  readonly state: PartitionState
}

/** What a signal is copied for: the server's own tools, and groups that reach beyond one principal. */
function copiesOf(pack: RulePack, signal: Signal): readonly Signal[] {
  const isAboutTools = signal.server !== undefined && signal.method?.startsWith('tools/') === true
  const own = isAboutTools ? [{ ...signal, hits: [], lane: `${signal.lane}#server` }] : []
  const groups: Signal[] = []
  for (const { root, hits } of groupsOf(pack, signal))
    groups.push({ ...signal, hits: [...hits], lane: `${signal.lane}${groupAspect(root)}` })
  return [signal, ...own, ...groups]
}

/** Runs a pack over events as the two stages would have; throws `LIMIT_EXCEEDED` for an event that they would have put aside. */
export function createReplay(pack: RulePack, key: KeyObject): Replay {
  const rules = arrangeRules(pack)
  const fold = createFold(pack, 0)
  const state = emptyState(0)
  return {
    state,
    next: event => {
      const lane = laneOf(event.source)
      const timeMs = Date.parse(event.time)
      if (event.gap !== undefined)
        return { fired: [], alerts: fold.step(state, signalOf(event, `${lane}#gap`, []), timeMs) }
      if (event.kind === 'heartbeat') return { fired: [], alerts: [] }
      const fired = judgeEvent(event, rules)
      const signal = signalOf(event, lane, hitsOf(fired, key))
      return { fired, alerts: copiesOf(pack, signal).flatMap(copy => fold.step(state, copy, timeMs)) }
    },
  }
}
