import type { Batch, PartitionState, Position, TopicPartition } from '../bus.ts'

/** Most that is handed over at once. At least one record is, however large. */
export interface Limits {
  readonly records: number
  readonly bytes: number
}

export const defaultLimits: Limits = { records: 2000, bytes: 8 * 1024 * 1024 }

/** Partitions that can be read at once, without waiting. */
export interface LocalLog {
  /** Partitions of a topic, in order; empty if it does not exist. */
  partitions(topic: string): readonly TopicPartition[]
  /** Records from `position` on, or from the oldest where that place is not kept; `undefined` where there are none yet. */
  fetch(position: Position, limits: Limits): Batch | undefined
  state(partition: TopicPartition): PartitionState
  /** Calls `listener` after records may have been added, until the returned function is called. */
  onChange(listener: () => void): () => void
  /** Lets other work of the process go first. */
  yieldTurn(): Promise<void>
}
