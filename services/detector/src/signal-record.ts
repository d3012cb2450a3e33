import type { OutgoingRecord } from '@muniment/bus'
import type { Signal } from '@muniment/schema'

/** The record of a signal on `mcp.signals`; the key decides with which others it is folded. */
export function signalRecord(key: string, signal: Signal): OutgoingRecord {
  return {
    key,
    value: Buffer.from(JSON.stringify(signal)),
    headers: {
      'content-type': 'application/json',
      mun_lane: signal.lane,
      mun_seq: String(signal.seq),
      mun_from: String(signal.gap?.from_seq ?? signal.seq),
      mun_tenant: signal.tenant,
    },
  }
}
