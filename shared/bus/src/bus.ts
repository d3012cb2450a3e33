/** A record to publish. The partition follows from the key (murmur2, as Kafka's default) where none is given; without a key, records are spread. */
export interface OutgoingRecord {
  readonly key: string | null
  /** With key and headers at most 1,000,000 bytes. Not to be changed until `publish` has resolved. */
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, string>>
  readonly partition?: number
}

/** A record as it lies on a topic. */
export interface BusRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  /** May share memory with its neighbours: copy what is kept for long. */
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, string>>
  /** Append time in milliseconds since the epoch, by the bus's clock. */
  readonly timestampMs: number
}

/** One partition of one topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** A place in a partition: `offset` is the next record to read. A place that is not kept (any more) stands for the oldest record. */
export interface Position extends TopicPartition {
  readonly offset: number
}

/** Consecutive records of one partition, in order. Offsets may have holes; `nextOffset` is past the last one covered. */
export interface Batch extends TopicPartition {
  readonly records: readonly BusRecord[]
  readonly nextOffset: number
  /** Offset after the newest record of the partition when the batch was fetched. */
  readonly highWatermark: number
}

/**
 * What a consumer does. Calls for one partition never overlap; up to four batches of different partitions may be worked on at
 * the same time. The consumer is kept alive in its group while they run.
 */
export interface ConsumeHandler {
  /**
   * After every change of the group, with all partitions held from then on, also those that were held before; and before their
   * first batch: where to start, for those that should not start at the committed offset (else the oldest record).
   */
  readonly onAssign?: (partitions: readonly TopicPartition[]) => Promise<readonly Position[]>
  /**
   * Before the partitions go elsewhere, or come back by `onAssign`, and when the consumer ends; their work in hand is finished.
   * A crash or a lost session may not call it, and Kafka does not always wait for it: it is no fence.
   */
  readonly onRevoke?: (partitions: readonly TopicPartition[]) => Promise<void>
  /**
   * Offsets are not committed by returning: call `commit`. `signal` aborts when the partitions are lost or the consumer ends;
   * what is done then may be done again elsewhere. A rejection stops the consumer, whose `done` then rejects; after the abort
   * a rejection has no effect.
   */
  readonly onBatch: (batch: Batch, signal: AbortSignal) => Promise<void>
}

/** Options of a group consumer. */
export interface ConsumeOptions extends ConsumeHandler {
  readonly group: string
  /** The same for all members of a group. */
  readonly topics: readonly string[]
  readonly signal: AbortSignal
  /** Most records and bytes of values handed over at once (defaults 2,000 and 8 MiB); a single record may be larger. */
  readonly maxBatchRecords?: number
  readonly maxBatchBytes?: number
}

/** A running member of a consumer group. */
export interface Consumer {
  /** Resolves when the signal has aborted, the work in hand is finished and the group is left; rejects when it cannot go on. A bus that is away is waited for. */
  readonly done: Promise<void>
  /** Kept when it resolves, also if this process ends (after a power cut an older one may be), or without effect where the partitions were lost meanwhile. An optimisation for restarts, never a fence: a stale member may still commit. */
  readonly commit: (positions: readonly Position[]) => Promise<void>
  /** Continue reading elsewhere, effective with the next batch. Partitions that are not held are ignored, here and below. */
  readonly seek: (position: Position) => void
  /** Effective with the next batch, until `resume` or until the partition is assigned anew. */
  readonly pause: (partitions: readonly TopicPartition[]) => void
  readonly resume: (partitions: readonly TopicPartition[]) => void
}

/** First and next offset of a partition, and a group's committed offset where one was asked for. */
export interface PartitionState extends TopicPartition {
  readonly firstOffset: number
  readonly nextOffset: number
  readonly committedOffset?: number | undefined
}

/** Options of a read without a group. */
export interface ReadOptions {
  readonly topic: string
  /** Where to start in each partition; default the oldest record, `'end'` = only what comes from now on. */
  readonly from?: readonly Position[] | 'end'
  /** `true`: ends at the newest record there was at the start; `false`: goes on until the signal aborts, then ends. */
  readonly untilEnd?: boolean
  readonly signal: AbortSignal
}

/**
 * Ordered, at-least-once topics.
 * Order: records of one `publish` with the same partition keep their order, and two awaited publishes keep theirs.
 * Durability: `publish` resolves when every record is durable; it rejects with `DEPENDENCY_UNREACHABLE` after `publishTimeoutMs`, with `BUS_REJECTED`, `AUTH_FAILED` or
 * `DISK_UNUSABLE`, and records may then be there or not: the caller sends the same batch again. Duplicates are possible; consumers drop them by lane and sequence number.
 * Concurrency: every method may be called at any time; calls of `publish` are sent one after another, those that wait together.
 * Disposal: consumers end as by their signal, what was published before is sent for a few seconds more, everything later is `BUS_REJECTED`.
 */
export interface Bus extends AsyncDisposable {
  publish(topic: string, records: readonly OutgoingRecord[]): Promise<void>
  consume(options: ConsumeOptions): Consumer
  read(options: ReadOptions): AsyncIterable<BusRecord>
  /** Partitions of a topic; empty if it does not exist. */
  describe(topic: string, group?: string): Promise<readonly PartitionState[]>
  /** Creates the topics of the table that do not exist yet; never alters one. On a bus of this machine they are there from the start. */
  createTopics(): Promise<void>
}
