import type { BusRecord } from '@muniment/bus'
import { alertSchema, type Alert } from '@muniment/schema'

/** The alert in a record of `mcp.alerts`, or `undefined` where the record holds none. */
export function parseAlert(record: BusRecord): Alert | undefined {
  try {
    return alertSchema.safeParse(JSON.parse(new TextDecoder().decode(record.value))).data
  } catch {
    return undefined
  }
}

const mostLanes = 10_000

/** Tells records that were published again: the numbers of each lane only grow. */
export function createRepeats(): (alert: Alert) => boolean {
  const watermarks = new Map<string, number>()
  return alert => {
    const { lane, seq } = alert.unmapped.source
    const known = watermarks.get(lane)
    if (known !== undefined && seq <= known) return true
    watermarks.delete(lane)
    watermarks.set(lane, seq)
    if (watermarks.size > mostLanes) watermarks.delete(watermarks.keys().next().value ?? '')
    return false
  }
}
