/** What an entry of the log says: the manifest at this position has this digest. */
export interface LogEntry {
  readonly topic: string
  readonly partition: number
  readonly firstOffset: number
  /** SHA-256 of the manifest's bytes, hex. */
  readonly sha256: string
}

const mark = 'muniment/manifest/v1'
const pattern =
  /^muniment\/manifest\/v1\n([A-Za-z0-9._-]+)\n(0|[1-9]\d{0,9})\n(0|[1-9]\d{0,15})\n([0-9a-f]{64})\n$/u

/** An entry's bytes: five lines. */
export function entryBytes(entry: LogEntry): Buffer {
  const { topic, partition, firstOffset, sha256 } = entry
  return Buffer.from(`${mark}\n${topic}\n${partition}\n${firstOffset}\n${sha256}\n`)
}

/** Reads an entry; `undefined` for one of another kind, which a later version may add. */
export function parseEntry(bytes: Buffer): LogEntry | undefined {
  const match = pattern.exec(bytes.toString())
  if (match === null) return undefined
  const [, topic = '', partition = '', firstOffset = '', sha256 = ''] = match
  return { topic, partition: Number(partition), firstOffset: Number(firstOffset), sha256 }
}

const heartbeatMark = 'muniment/heartbeat/v1'
const heartbeatPattern = /^muniment\/heartbeat\/v1\n(0|[1-9]\d{0,15})\n$/u

/** The entry that a notary with nothing to add makes: it was there at this time, milliseconds since the epoch. */
export function heartbeatBytes(timeMs: number): Buffer {
  return Buffer.from(`${heartbeatMark}\n${timeMs}\n`)
}

/** The time in a heartbeat; `undefined` for an entry of another kind. */
export function parseHeartbeat(bytes: Buffer): number | undefined {
  const digits = heartbeatPattern.exec(bytes.toString())?.[1]
  return digits === undefined ? undefined : Number(digits)
}
