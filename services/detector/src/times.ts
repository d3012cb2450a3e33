import type { MunimentEvent, Signal } from '@muniment/schema'
import { signalOf } from './signal.ts'

const minuteMs = 60_000

/** Where a record lies, and when the bus got it. */
export interface Arrival {
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
}

/** The minute that an event shows; one from the future shows no more than the bus. */
export function minuteOf({ time }: MunimentEvent, { timestampMs }: Pick<Arrival, 'timestampMs'>): number {
  return Math.floor(Math.min(Date.parse(time), timestampMs) / minuteMs)
}

/** Tells all partitions of signals that one partition of events has come to this minute, so that silence can be seen. */
export function tickOf(
  minute: number,
  partition: number,
  { id, tenant }: Pick<MunimentEvent, 'id' | 'tenant'>,
): Signal {
  return {
    event_id: id,
    time: new Date(minute * minuteMs).toISOString(),
    tenant,
    kind: 'heartbeat',
    principal: 'anonymous',
    hits: [],
    lane: `tick.p${partition}#tick`,
    seq: minute,
  }
}

/** A sign of life of an interceptor, which takes no number in its lane and is numbered by its place on the bus. */
export function aliveOf(event: MunimentEvent, lane: string, { offset, timestampMs }: Arrival): Signal {
  const aheadMs = Date.parse(event.time) - timestampMs
  return {
    ...signalOf(event, `${lane}#alive`, []),
    seq: offset,
    ...(aheadMs > 0 && { ahead_ms: aheadMs }),
    ...(event.lane?.state === 'end' && { ends: true as const }),
  }
}
