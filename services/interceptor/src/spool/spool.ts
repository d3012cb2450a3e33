import { AppError } from '@muniment/schema'
import type { SealedRecord } from '../batch.ts'

/**
 * Sealed records that wait on a disk, first in, first out.
 * Durability: `append` resolves when the records would survive the process and the machine; it rejects with `DISK_UNUSABLE`
 * or, where the cap is reached, `LIMIT_EXCEEDED`, and then nothing of the batch is read back.
 * Order: as appended. A crash may leave records that were read but not yet dropped: they are read again.
 * Concurrency: one `append` at a time beside one `peek` or `drop`; `appendSync` may interrupt any of them, as the last act of a process.
 */
export interface Spool extends AsyncDisposable {
  append(records: readonly SealedRecord[]): Promise<void>
  appendSync(records: readonly SealedRecord[]): void
  /** The oldest records, about `maxBytes` of them, at least one if there is one. */
  peek(maxBytes: number): Promise<readonly SealedRecord[]>
  /** Forgets what the last `peek` returned. */
  drop(): Promise<void>
  /** Bytes on the disk, as far as this process knows. */
  sizeBytes(): number
}

/** What `append` rejects with at the cap. */
export function spoolFull(place: string, maxBytes: number): AppError {
  return new AppError('LIMIT_EXCEEDED', `The spool ${place} has reached its cap of ${maxBytes} bytes.`, {
    hint: 'Start `muniment up` or bring the bus back, so that the spool drains; or raise spoolMaxBytes.',
  })
}

/** A spool in memory, for tests and simulations. */
export function createMemorySpool(maxBytes: number): Spool {
  let kept: SealedRecord[] = []
  let peeked = 0
  let bytes = 0
  function push(records: readonly SealedRecord[]): void {
    kept.push(...records)
    for (const record of records) bytes += record.value.length
  }
  return {
    append: async records => {
      if (bytes >= maxBytes) throw spoolFull('memory', maxBytes)
      push(records)
    },
    appendSync: push,
    peek: async limit => {
      let size = 0
      const end = kept.findIndex(record => (size += record.value.length) > limit)
      const found = kept.slice(0, end === -1 ? kept.length : Math.max(1, end))
      peeked = found.length
      return found
    },
    drop: async () => {
      for (const record of kept.slice(0, peeked)) bytes -= record.value.length
      kept = kept.slice(peeked)
      peeked = 0
    },
    sizeBytes: () => bytes,
    [Symbol.asyncDispose]: async () => undefined,
  }
}
