import type { KeyObject } from 'node:crypto'
import { laneOf, type Alert, type MunimentEvent, type Signal } from '@muniment/schema'
import { createFold, foldWhole } from './behaviour/fold.ts'
import { emptyState, type PartitionState } from './behaviour/state.ts'
import { emit } from './emit.ts'
import { createToolLabels, type ToolLabels } from './flow/labels.ts'
import { judged } from './put-aside.ts'
import type { RulePack } from './sigma/pack.ts'
import { arrangeRules, signalOf, type Fired } from './signal.ts'
import { minuteOf, tickOf } from './times.ts'

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

/** Runs a pack over events as the two stages would have; throws `LIMIT_EXCEEDED` or `RULE_FAILED` for an event that they would have put aside. */
export function createReplay(
  pack: RulePack,
  key: KeyObject,
  labels: ToolLabels = createToolLabels({}),
): Replay {
  const arranged = arrangeRules(pack)
  const fold = createFold(pack, 0)
  const state = emptyState(0)
  const fed = (signals: readonly Signal[], timestampMs: number): readonly Alert[] =>
    signals.flatMap(signal => foldWhole(fold, state, { signal, timestampMs }))
  let reached = -1
  return {
    state,
    next: event => {
      const lane = laneOf(event.source)
      const timeMs = Date.parse(event.time)
      const minute = minuteOf(event, { timestampMs: timeMs })
      const ticks = minute > reached ? [tickOf(minute, 0, event)] : []
      reached = Math.max(reached, minute)
      if (event.gap !== undefined)
        return { fired: [], alerts: fed([...ticks, signalOf(event, `${lane}#gap`, [])], timeMs) }
      if (event.kind === 'heartbeat' || event.kind === 'begun')
        return { fired: [], alerts: fed(ticks, timeMs) }
      const { fired, signal, copies } = judged(() => emit(event, lane, { pack, arranged, labels, key }))
      return { fired, alerts: fed([...ticks, signal, ...copies.map(copy => copy.signal)], timeMs) }
    },
  }
}
