import { nameOf } from '../records.ts'
import { createHandout, type Handout } from './handout.ts'
import { defaultLimits, type LocalLog } from './log.ts'
import type { ConsumeOptions, Position, TopicPartition } from '../bus.ts'

/** A member's place in its group: holds partitions between `occupy` and `release`. Neither call rejects: failures end the member. */
export interface Seat {
  readonly topics: readonly string[]
  /** Whether it wants partitions: not once it is ending, even before it has left. */
  readonly isOpen: () => boolean
  /** Takes partitions over, starting at the committed offsets where the handler does not say otherwise. */
  readonly occupy: (partitions: readonly TopicPartition[]) => Promise<void>
  /** Finishes the work in hand and gives everything back. */
  readonly release: () => Promise<void>
  readonly seek: (position: Position) => void
  readonly setPaused: (partitions: readonly TopicPartition[], isPaused: boolean) => void
  /** Rejects when the member cannot go on; never resolves. */
  readonly failure: Promise<never>
  readonly fail: (error: unknown) => void
}

export interface SeatOptions {
  readonly log: LocalLog
  readonly consume: ConsumeOptions
  /** Aborts when the member or the bus ends. */
  readonly ended: AbortSignal
  readonly committed: (partition: TopicPartition) => number | undefined
}

interface Occupancy {
  readonly options: SeatOptions
  readonly fail: (error: unknown) => void
  hasFailed: boolean
  held: readonly TopicPartition[]
  handout: Handout | undefined
}

async function startsOf({ options, held }: Occupancy): Promise<Map<string, number>> {
  const { consume, committed } = options
  const wanted = (await consume.onAssign?.(held)) ?? []
  const starts = new Map<string, number>()
  for (const partition of held) starts.set(nameOf(partition), committed(partition) ?? 0)
  for (const position of wanted) starts.set(nameOf(position), position.offset)
  return starts
}

async function occupy(seat: Occupancy, partitions: readonly TopicPartition[]): Promise<void> {
  seat.held = partitions
  if (partitions.length === 0) return
  const { log, consume } = seat.options
  const { onBatch, maxBatchRecords, maxBatchBytes } = consume
  const limits = {
    records: maxBatchRecords ?? defaultLimits.records,
    bytes: maxBatchBytes ?? defaultLimits.bytes,
  }
  const handout = createHandout({ log, limits, partitions, onBatch, onFailure: seat.fail })
  seat.handout = handout
  try {
    handout.start(await startsOf(seat))
  } catch (error) {
    seat.fail(error)
  }
}

async function release(seat: Occupancy): Promise<void> {
  const { held, handout } = seat
  seat.held = []
  seat.handout = undefined
  await handout?.close()
  if (held.length === 0) return
  try {
    await seat.options.consume.onRevoke?.(held)
  } catch (error) {
    seat.fail(error)
  }
}

export function createSeat(options: SeatOptions): Seat {
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined)
  const fail = (error: unknown): void => {
    seat.hasFailed = true
    failed.reject(error)
  }
  const seat: Occupancy = { options, fail, hasFailed: false, held: [], handout: undefined }
  return {
    topics: options.consume.topics,
    failure: failed.promise,
    fail,
    isOpen: () => !seat.hasFailed && !options.ended.aborted,
    occupy: partitions => occupy(seat, partitions),
    release: () => release(seat),
    seek: position => seat.handout?.seek(position),
    setPaused: (partitions, isPaused) => seat.handout?.setPaused(partitions, isPaused),
  }
}

/** Partitions of each member: every partition goes to one of those that asked for its topic, in turn. */
export function shareOut<M extends { readonly topics: readonly string[] }>(
  members: readonly M[],
  partitionsOf: (topic: string) => readonly TopicPartition[],
): Map<M, TopicPartition[]> {
  const shares = new Map<M, TopicPartition[]>(members.map(member => [member, []]))
  for (const topic of new Set(members.flatMap(member => member.topics))) {
    const interested = members.filter(member => member.topics.includes(topic))
    for (const partition of partitionsOf(topic)) {
      const owner = interested[partition.partition % interested.length]
      if (owner !== undefined) shares.get(owner)?.push(partition)
    }
  }
  return shares
}
