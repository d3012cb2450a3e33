import { nameOf } from '../records.ts'
import type { Batch, Position, TopicPartition } from '../bus.ts'
import type { Limits, LocalLog } from './log.ts'

/** Batches of one consumer that are worked on at the same time: bounds its memory, and lets slow sinks overlap. */
const maxInHand = 4

interface Slot {
  readonly partition: TopicPartition
  offset: number
  sought: number | undefined
  isBusy: boolean
  isPaused: boolean
}

export interface HandoutOptions {
  readonly log: LocalLog
  readonly limits: Limits
  readonly partitions: readonly TopicPartition[]
  readonly onBatch: (batch: Batch, signal: AbortSignal) => Promise<void>
  /** The log could not be read, or the handler rejected while its partitions were still held. */
  readonly onFailure: (error: unknown) => void
}

/** Hands out the records of some partitions: one batch of a partition at a time, partitions in turn. */
export interface Handout {
  readonly start: (starts: ReadonlyMap<string, number>) => void
  readonly seek: (position: Position) => void
  readonly setPaused: (partitions: readonly TopicPartition[], isPaused: boolean) => void
  /** Resolves when the work in hand is finished. */
  readonly close: () => Promise<void>
}

interface Desk {
  readonly options: HandoutOptions
  readonly stop: AbortController
  readonly slots: readonly Slot[]
  readonly inHand: Set<Promise<void>>
  turn: number
  isScheduled: boolean
  removeListener: (() => void) | undefined
}

async function work(desk: Desk, slot: Slot, batch: Batch): Promise<void> {
  const { options, stop } = desk
  try {
    await options.onBatch(batch, stop.signal)
    await options.log.yieldTurn()
  } catch (error) {
    if (!stop.signal.aborted) options.onFailure(error)
    return
  }
  slot.offset = slot.sought ?? batch.nextOffset
  slot.sought = undefined
  slot.isBusy = false
}

function offer(desk: Desk, slot: Slot): boolean {
  const { log, limits } = desk.options
  const batch = log.fetch({ ...slot.partition, offset: slot.offset }, limits)
  if (batch === undefined) return false
  slot.isBusy = true
  const working = work(desk, slot, batch).finally(() => {
    desk.inHand.delete(working)
    schedule(desk)
  })
  desk.inHand.add(working)
  return true
}

function pump(desk: Desk): void {
  const { slots, inHand, stop } = desk
  for (let step = 0; step < slots.length; step++) {
    if (stop.signal.aborted || inHand.size >= maxInHand) return
    const index = (desk.turn + step) % slots.length
    const slot = slots[index]
    if (slot === undefined || slot.isBusy || slot.isPaused || !offer(desk, slot)) continue
    desk.turn = index + 1
    step = -1
  }
}

/** Handlers never run inside a call of their consumer or of `publish`. */
function schedule(desk: Desk): void {
  if (desk.isScheduled) return
  desk.isScheduled = true
  queueMicrotask(() => {
    desk.isScheduled = false
    try {
      pump(desk)
    } catch (error) {
      desk.options.onFailure(error)
    }
  })
}

function startDesk(desk: Desk, starts: ReadonlyMap<string, number>): void {
  if (desk.stop.signal.aborted) return
  for (const slot of desk.slots) {
    slot.offset = slot.sought ?? starts.get(nameOf(slot.partition)) ?? 0
    slot.sought = undefined
    slot.isBusy = false
  }
  desk.removeListener = desk.options.log.onChange(() => schedule(desk))
  schedule(desk)
}

function seekSlot(slot: Slot | undefined, offset: number): void {
  if (slot === undefined) return
  if (slot.isBusy) slot.sought = offset
  else slot.offset = offset
}

export function createHandout(options: HandoutOptions): Handout {
  const slots = options.partitions.map((partition): Slot => ({
    partition,
    offset: 0,
    sought: undefined,
    isBusy: true,
    isPaused: false,
  }))
  const byName = new Map(slots.map(slot => [nameOf(slot.partition), slot]))
  const desk: Desk = {
    options,
    slots,
    stop: new AbortController(),
    inHand: new Set(),
    turn: 0,
    isScheduled: false,
    removeListener: undefined,
  }
  return {
    start: starts => startDesk(desk, starts),
    seek: position => {
      seekSlot(byName.get(nameOf(position)), position.offset)
      schedule(desk)
    },
    setPaused: (partitions, isPaused) => {
      const found = partitions.map(partition => byName.get(nameOf(partition)))
      for (const slot of found) if (slot !== undefined) slot.isPaused = isPaused
      schedule(desk)
    },
    close: async () => {
      desk.stop.abort()
      desk.removeListener?.()
      await Promise.all(desk.inHand)
    },
  }
}
