import type { RequestFacts } from './message.ts'
import type { Body, Change, Context, Direction, PolicyNote } from './record.ts'

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

/** The open requests of one channel, oldest first: data, not an object with methods, for most channels are idle and there are many. */
export interface PendingTable extends Record<Direction, Slots | undefined> {
  count: number
  sizeBytes: number
}

type Slots = Map<RpcId, Slot>

interface Slot {
  readonly first: Pending
  /** Requests that reused the id while it was open: a fault of their sender, but each gets its end. */
  readonly later: readonly Pending[]
}

const nobody: readonly Pending[] = []

function add(slots: Slots, pending: Pending): void {
  const open = slots.get(pending.rpcId)
  const slot =
    open === undefined
      ? { first: pending, later: nobody }
      : { first: open.first, later: [...open.later, pending] }
  slots.set(pending.rpcId, slot)
}

function remove(slots: Slots, rpcId: RpcId): Pending | undefined {
  const slot = slots.get(rpcId)
  if (slot === undefined) return undefined
  slots.delete(rpcId)
  const [next, ...rest] = slot.later
  if (next !== undefined) slots.set(rpcId, { first: next, later: rest })
  return slot.first
}

function oldestOf({ client_to_server: up, server_to_client: down }: PendingTable): Pending | undefined {
  const a = up?.values().next().value?.first
  const b = down?.values().next().value?.first
  if (a === undefined || b === undefined) return a ?? b
  return a.startedMs <= b.startedMs ? a : b
}

/** What holds requests is made when there is a first one in its direction. */
export function createPendingTable(): PendingTable {
  return { client_to_server: undefined, server_to_client: undefined, count: 0, sizeBytes: 0 }
}

export function putPending(table: PendingTable, pending: Pending): void {
  add((table[pending.direction] ??= new Map()), pending)
  table.count += 1
  table.sizeBytes += pending.body.sizeBytes
}

/** Removes and returns the oldest open request with this id: whoever uses an id twice is answered in order. */
export function takePending(table: PendingTable, direction: Direction, rpcId: RpcId): Pending | undefined {
  const slots = table[direction]
  const taken = slots === undefined ? undefined : remove(slots, rpcId)
  if (taken === undefined) return undefined
  table.count -= 1
  table.sizeBytes -= taken.body.sizeBytes
  return taken
}

export function takeOldest(table: PendingTable): Pending | undefined {
  const found = oldestOf(table)
  return found === undefined ? undefined : takePending(table, found.direction, found.rpcId)
}

export function takeOlderThan(table: PendingTable, startedMs: number): Pending | undefined {
  return (oldestOf(table)?.startedMs ?? Infinity) < startedMs ? takeOldest(table) : undefined
}
