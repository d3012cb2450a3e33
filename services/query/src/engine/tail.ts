import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import {
  createCutWriter,
  openArchive,
  openStore,
  type CommittedManifest,
  type CutRecord,
} from '@muniment/archive'
import type { Bus } from '@muniment/bus'
import type { SegmentKeys } from '@muniment/keys'
import { AppError } from '@muniment/schema'

/** What is on the bus and not in the archive yet. */
export interface Tail {
  /** Plain Parquet files with the columns of archived segments. */
  readonly files: readonly Buffer[]
  readonly rows: number
  /** `false`: there is more on the bus than is read for one query. */
  readonly isComplete: boolean
}

/** Which part of the bus to read. */
export interface TailOptions {
  readonly bus: Bus
  readonly topic: string
  /** The newest manifest of each partition: the tail begins where it ends. */
  readonly newest: readonly CommittedManifest[]
  readonly tenants: readonly string[] | undefined
  readonly maxBytes: number
  readonly signal: AbortSignal
}

interface Collected {
  readonly byPartition: ReadonlyMap<number, readonly CutRecord[]>
  readonly isComplete: boolean
}

async function collect(options: TailOptions): Promise<Collected> {
  const { bus, topic, newest, maxBytes, signal } = options
  const from = newest.map(({ manifest }) => ({
    topic,
    partition: manifest.partition,
    offset: manifest.next_offset,
  }))
  const starts = new Map(from.map(({ partition, offset }) => [partition, offset]))
  const byPartition = new Map<number, CutRecord[]>()
  let bytes = 0
  for await (const { partition, offset, value, timestampMs } of bus.read({
    topic,
    from,
    untilEnd: true,
    signal,
  })) {
    // A bus that has forgotten the position starts elsewhere.
    if (offset < (starts.get(partition) ?? 0)) continue
    bytes += value.byteLength
    if (bytes > maxBytes) return { byPartition, isComplete: false }
    const records = byPartition.get(partition) ?? []
    records.push({ offset, value, appendedMs: timestampMs })
    byPartition.set(partition, records)
  }
  return { byPartition, isComplete: true }
}

/** Data keys that are forgotten with the query: what they protect never leaves this process. */
function passingKeys(): SegmentKeys {
  const keys = new Map<string, KeyObject>()
  return {
    createDataKey() {
      const key = createSecretKey(randomBytes(32))
      const wrapped = String(keys.size)
      keys.set(wrapped, key)
      return Promise.resolve({ key, wrapped, generation: 'none' })
    },
    contentKey: () => Promise.resolve(createSecretKey(randomBytes(32))),
    openDataKey(tenant, _context, wrapped) {
      const key = keys.get(wrapped)
      if (key === undefined) throw new AppError('KEY_UNKNOWN', `No key for the tail of tenant ${tenant}.`)
      return Promise.resolve(key)
    },
  }
}

function previousOf({ newest }: TailOptions, partition: number): CommittedManifest | undefined {
  return newest.find(({ manifest }) => manifest.partition === partition)
}

/**
 * Reads what comes behind the newest manifests. It is cut into an archive in memory, so that its rows have the columns of
 * archived ones, and so that records the archive has already (published twice) are left out by the same rule.
 */
export async function readTail(options: TailOptions): Promise<Tail> {
  const { topic, tenants } = options
  const { byPartition, isComplete } = await collect(options)
  await using store = await openStore({ kind: 'memory' })
  const keys = passingKeys()
  const cuts = createCutWriter({ store, keys, now: Date.now, randomBytes, largeBodyBytes: Infinity })
  const archive = openArchive({ store, keys })
  const files: Buffer[] = []
  let rows = 0
  for (const [partition, records] of byPartition) {
    const nextOffset = (records.at(-1)?.offset ?? 0) + 1
    const previous = previousOf(options, partition)
    const { manifest } = await cuts.write({ topic, partition, records, nextOffset, previous })
    for (const segment of manifest.manifest.segments) {
      if (tenants !== undefined && !tenants.includes(segment.tenant)) continue
      files.push(await (await archive.openSegment(manifest, segment)).extract({}))
      rows += segment.rows
    }
  }
  return { files, rows, isComplete }
}
