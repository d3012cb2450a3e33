import { nameOf } from '../records.ts'
import type { Batch, Position, TopicPartition } from '../bus.ts'

/** What a member holds between two changes of its group. */
export interface Generation {
  readonly places: readonly TopicPartition[]
  /** Aborts when the partitions are lost or given back. */
  readonly stop: AbortController
  readonly paused: Set<string>
  /** Where the member is in each partition, as far as it is known. */
  readonly positions: Map<string, number>
  readonly inHand: Set<Promise<void>>
  /** Resolves when the handler has said where to start. */
  ready: Promise<void>
  /** Set once the partitions have been, or are being, given back in order. */
  revoked: Promise<void> | undefined
  /** Batches handed over so far. */
  batches: number
}

export function createGeneration(places: readonly TopicPartition[]): Generation {
  return {
    places,
    stop: new AbortController(),
    paused: new Set(),
    positions: new Map(),
    inHand: new Set(),
    ready: Promise.resolve(),
    revoked: undefined,
    batches: 0,
  }
}

export function holds(generation: Generation, { topic, partition }: TopicPartition): boolean {
  return generation.places.some(place => place.topic === topic && place.partition === partition)
}

/** Remembers where the next batch of a partition begins. */
export function moveTo(generation: Generation, position: Position): void {
  generation.positions.set(nameOf(position), position.offset)
}

/** Runs the handler on one batch; a closing generation waits for it. */
export async function handOver(
  generation: Generation,
  batch: Batch,
  onBatch: (batch: Batch, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const working = onBatch(batch, generation.stop.signal)
  const quiet = working.catch(() => undefined)
  generation.inHand.add(quiet)
  generation.batches++
  try {
    await working
  } finally {
    generation.inHand.delete(quiet)
  }
}

/** Stops handing out and resolves when the work in hand is finished. */
export async function finish(generation: Generation): Promise<void> {
  generation.stop.abort()
  await generation.ready
  await Promise.all(generation.inHand)
}
