import type { RequestFacts } from './message.ts'
import type { PolicyNote } from './guard/guard.ts'
import type { Body, Change, Context, Direction } from './record.ts'

export type RpcId = string | number

export function isRpcId(value: unknown): value is RpcId {
  return typeof value === 'string' || typeof value === 'number'
}

/** A request that has no answer yet. */
export interface Pending {
  readonly direction: Direction
  readonly rpcId: RpcId
  readonly facts: RequestFacts
  readonly body: Body
  readonly context: Context
  /** What a guard noted of it without refusing it. */
  readonly policy: readonly PolicyNote[] | undefined
  readonly change: Change | undefined
  readonly timeMs: number
  readonly startedMs: number
}

/** The open requests of one channel, oldest first. */
export interface PendingTable {
  readonly put: (pending: Pending) => void
  /** Removes and returns the oldest open request with this id: whoever uses an id twice is answered in order. */
  readonly take: (direction: Direction, rpcId: RpcId) => Pending | undefined
  readonly has: (direction: Direction, rpcId: RpcId) => boolean
  readonly takeOldest: () => Pending | undefined
  readonly takeOlderThan: (startedMs: number) => Pending | undefined
  readonly count: () => number
  readonly sizeBytes: () => number
}

interface Slot {
  readonly first: Pending
  /** Requests that reused the id while it was open: a fault of their sender, but each gets its end. */
  readonly later: readonly Pending[]
}

/** Made when they are first needed: most channels have requests in one direction only, and idle ones none. */
type Slots = Partial<Record<Direction, Map<RpcId, Slot>>>

const nobody: readonly Pending[] = []

function add(table: Map<RpcId, Slot>, pending: Pending): void {
  const open = table.get(pending.rpcId)
  const slot =
    open === undefined
      ? { first: pending, later: nobody }
      : { first: open.first, later: [...open.later, pending] }
  table.set(pending.rpcId, slot)
}

function remove(table: Map<RpcId, Slot>, rpcId: RpcId): Pending | undefined {
  const slot = table.get(rpcId)
  if (slot === undefined) return undefined
  table.delete(rpcId)
  const [next, ...rest] = slot.later
  if (next !== undefined) table.set(rpcId, { first: next, later: rest })
  return slot.first
}

function oldestOf(slots: Slots): Pending | undefined {
  const a = slots.client_to_server?.values().next().value?.first
  const b = slots.server_to_client?.values().next().value?.first
  if (a === undefined || b === undefined) return a ?? b
  return a.startedMs <= b.startedMs ? a : b
}

export function createPendingTable(): PendingTable {
  const slots: Slots = {}
  let count = 0
  let bytes = 0

  function take(direction: Direction, rpcId: RpcId): Pending | undefined {
    const table = slots[direction]
    const taken = table === undefined ? undefined : remove(table, rpcId)
    if (taken === undefined) return undefined
    count -= 1
    bytes -= taken.body.sizeBytes
    return taken
  }
  function takeOldest(): Pending | undefined {
    const found = oldestOf(slots)
    return found === undefined ? undefined : take(found.direction, found.rpcId)
  }
  return {
    put: pending => {
      add((slots[pending.direction] ??= new Map()), pending)
      count += 1
      bytes += pending.body.sizeBytes
    },
    take,
    has: (direction, rpcId) => slots[direction]?.has(rpcId) === true,
    takeOldest,
    takeOlderThan: startedMs =>
      (oldestOf(slots)?.startedMs ?? Infinity) < startedMs ? takeOldest() : undefined,
    count: () => count,
    sizeBytes: () => bytes,
  }
}
