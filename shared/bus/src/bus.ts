/** A record to publish. The partition follows from the key (murmur2, as Kafka's default) where none is given. */
export interface OutgoingRecord {
  readonly key: string | null
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

/** A place in a partition: `offset` is the next record to read. */
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

/** What a consumer does. Calls for one partition never overlap; the consumer is kept alive in its group while they run. */
export interface ConsumeHandler {
  /** After partitions were assigned, before their first batch: where to start, for those that should not start at the committed offset (else the oldest record). */
  readonly onAssign?: (partitions: readonly TopicPartition[]) => Promise<readonly Position[]>
  /** Before partitions go elsewhere, where the bus can tell; a crash or a lost session does not call it. */
  readonly onRevoke?: (partitions: readonly TopicPartition[]) => Promise<void>
  /** Offsets are not committed by returning: call `commit`. A rejection stops the consumer, whose `done` then rejects. */
  readonly onBatch: (batch: Batch, signal: AbortSignal) => Promise<void>
}

/** Options of a group consumer. */
export interface ConsumeOptions extends ConsumeHandler {
  readonly group: string
  readonly topics: readonly string[]
  readonly signal: AbortSignal
  /** Most records and bytes handed over at once (defaults 2,000 and 8 MiB). */
  readonly maxBatchRecords?: number
  readonly maxBatchBytes?: number
}

/** A running member of a consumer group. */
export interface Consumer {
  /** Resolves when the signal has aborted and the work in hand is finished; rejects when it cannot go on. */
  readonly done: Promise<void>
  /** Durable when it resolves. An optimisation for restarts, never a fence: a stale member may still commit. */
  readonly commit: (positions: readonly Position[]) => Promise<void>
  /** Continue reading elsewhere, effective with the next batch. */
  readonly seek: (position: Position) => void
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
  /** `true`: ends at the newest record there was at the start; `false`: goes on until the signal aborts. */
  readonly untilEnd?: boolean
  readonly signal: AbortSignal
}

/**
 * Ordered, at-least-once topics.
 * Order: records of one `publish` with the same partition keep their order, and two awaited publishes keep theirs.
 * Durability: `publish` resolves when every record is durable; it rejects with `DEPENDENCY_UNREACHABLE` after `publishTimeoutMs` or `BUS_REJECTED`, and records may then
 * be there or not: the caller sends the same batch again. Duplicates are possible; consumers drop them by lane and sequence number.
 * Concurrency: every method may be called at any time; calls of `publish` are sent one after another.
 */
export interface Bus extends AsyncDisposable {
  publish(topic: string, records: readonly OutgoingRecord[]): Promise<void>
  consume(options: ConsumeOptions): Consumer
  read(options: ReadOptions): AsyncIterable<BusRecord>
  /** Partitions of a topic; empty if it does not exist. */
  describe(topic: string, group?: string): Promise<readonly PartitionState[]>
  /** Creates the topics of the table that do not exist yet; never alters one. */
  createTopics(): Promise<void>
}
