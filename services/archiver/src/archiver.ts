import { randomBytes } from 'node:crypto'
import { createCutWriter, openArchive, type ArchiveStore, type RetentionClasses } from '@muniment/archive'
import type { Bus } from '@muniment/bus'
import type { SegmentKeys } from '@muniment/keys'
import type { Logger, Metrics, Task } from '@muniment/runtime'
import type { CutLimits } from './buffer.ts'
import { runMember } from './member.ts'
import { createArchiverMetrics } from './metrics.ts'
import type { PartitionEvent } from './partition.ts'
import { createRetry } from './retry.ts'
import { createSlots } from './slots.ts'

/** What an archiver is made of. */
export interface ArchiverOptions {
  readonly bus: Bus
  readonly store: ArchiveStore
  readonly keys: SegmentKeys
  /** How long the store keeps every object against everybody; no lock where left out. */
  readonly retentionDays?: number | undefined
  /** What is kept for another time than that. */
  readonly retentionClasses?: RetentionClasses | undefined
  readonly log: Logger
  readonly metrics?: Metrics
  readonly nowMs?: () => number
  readonly random?: () => number
  /** Calls `run` after `delayMs`; the returned function cancels it. */
  readonly after?: (delayMs: number, run: () => void) => () => void
  /** When a partition's records are archived: whichever limit is reached first. */
  readonly cut?: Partial<CutLimits>
  /** Bytes of records in memory above which nothing more is fetched; default 96 MiB. */
  readonly maxHeldBytes?: number
  /** Ranges written at the same time; default 2. */
  readonly concurrency?: number
  readonly drainTimeoutMs?: number
}

const defaultCut: CutLimits = { maxEvents: 20_000, maxBytes: 24 * 1024 * 1024, maxAgeMs: 2000 }

function afterTimeout(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs)
  return () => clearTimeout(timer)
}

function report(log: Logger): (event: PartitionEvent) => void {
  return event => {
    if (event.kind === 'changed') return
    if (event.kind === 'failed') {
      log.error('archiver.failed', { ...event.place, error: event.error })
      return
    }
    const { first_offset, next_offset, counts } = event.manifest.manifest
    log.info(`archiver.${event.kind}`, { ...event.place, first_offset, next_offset, ...counts })
  }
}

/** Archives events, alerts and control decisions: each exactly once, in ranges named by their position, durable before anything is acknowledged. */
export function createArchiver(options: ArchiverOptions): Task {
  const { bus, store, keys, log, nowMs = Date.now, random = Math.random, after = afterTimeout } = options
  const { maxHeldBytes = 96 * 1024 * 1024, concurrency = 2, drainTimeoutMs = 10_000 } = options
  const { retentionDays, retentionClasses } = options
  const context = {
    archive: openArchive({ store, keys }),
    cuts: createCutWriter({
      store,
      keys,
      randomBytes,
      now: nowMs,
      ...(retentionDays !== undefined && { retentionDays }),
      ...(retentionClasses !== undefined && { retentionClasses }),
    }),
    limits: { ...defaultCut, ...options.cut },
    nowMs,
    after,
    drainTimeoutMs,
    slot: createSlots(concurrency),
    retry: createRetry({ log, random, after }),
  }
  const write = report(log)
  const measure = options.metrics && createArchiverMetrics(options.metrics, nowMs)
  const onEvent = (event: PartitionEvent): void => {
    write(event)
    measure?.(event)
  }
  return { run: signal => runMember({ bus, log, maxHeldBytes, context, onEvent }, signal) }
}
