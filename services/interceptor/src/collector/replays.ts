import { createHash } from 'node:crypto'
import type { SealedRecord } from '../batch.ts'

/** Remembers the records that are on the bus, so that sending one again does not put it there twice. */
export interface Replays {
  readonly fresh: (records: readonly SealedRecord[]) => readonly SealedRecord[]
  readonly remember: (records: readonly SealedRecord[]) => void
}

function digestOf({ key, headers, value }: SealedRecord): string {
  const head = JSON.stringify([key, headers])
  return createHash('sha256').update(head).update('\0').update(value).digest('base64')
}

/** Only the newest are remembered; what is older is found out by its number in its lane, as any duplicate. */
export function createReplays(maxRecords: number): Replays {
  const known = new Set<string>()
  return {
    fresh: records => records.filter(record => !known.has(digestOf(record))),
    remember: records => {
      for (const record of records) known.add(digestOf(record))
      for (const oldest of known) {
        if (known.size <= maxRecords) break
        known.delete(oldest)
      }
    },
  }
}
