import type { CutRecord } from '@muniment/archive'
import type { Batch } from '@muniment/bus'

/** When a buffer is cut. */
export interface CutLimits {
  readonly maxEvents: number
  readonly maxBytes: number
  /** Age of the oldest buffered record in milliseconds of the archiver's clock. */
  readonly maxAgeMs: number
}

/** Records up to `nextOffset`, ready to be archived. */
export interface Range {
  readonly records: readonly CutRecord[]
  readonly nextOffset: number
  readonly bytes: number
}

/** Records of one partition since its last cut. */
export interface PartitionBuffer {
  readonly nextOffset: () => number
  readonly bytes: () => number
  readonly isFull: () => boolean
  /** When the oldest record came in, by the clock given to `add`; `undefined` where there is none. */
  readonly openedMs: () => number | undefined
  readonly add: (batch: Batch, nowMs: number) => void
  /** Takes everything out. */
  readonly take: () => Range
}

/** What a record costs in memory beside its value. */
const recordOverheadBytes = 200

/** A buffer that starts at `position`. */
export function createBuffer(position: number, limits: CutLimits): PartitionBuffer {
  let records: CutRecord[] = []
  let nextOffset = position
  let bytes = 0
  let openedMs: number | undefined
  return {
    nextOffset: () => nextOffset,
    bytes: () => bytes,
    isFull: () => records.length >= limits.maxEvents || bytes >= limits.maxBytes,
    openedMs: () => openedMs,
    add(batch, nowMs) {
      for (const { offset, value, timestampMs } of batch.records) {
        // A batch may be handed over again after a seek or a change of owners.
        if (offset < nextOffset) continue
        records.push({ offset, value, appendedMs: timestampMs })
        bytes += value.byteLength + recordOverheadBytes
      }
      nextOffset = Math.max(nextOffset, batch.nextOffset)
      if (records.length > 0) openedMs ??= nowMs
    },
    take() {
      const range = { records, nextOffset, bytes }
      records = []
      bytes = 0
      openedMs = undefined
      return range
    },
  }
}
