import { isRpcId, type RpcId } from '../pending.ts'
import type { Guard, Subject } from './guard.ts'

/** The requests that were let pass and wait for an answer, by their ids. */
export interface OpenCalls {
  /** What has no id that can be answered is over at once. */
  readonly put: (rpcId: unknown, subject: Subject) => void
  readonly find: (rpcId: unknown) => Subject | undefined
  /** Removes and returns the oldest with this id. */
  readonly end: (rpcId: unknown) => Subject | undefined
  readonly close: () => void
}

/** As many as the recorder keeps. */
const mostCalls = 4096

/** A table of open calls; whatever becomes of a call, `ended` is told once. */
export function createOpenCalls(ended?: Guard['ended'], maxCalls = mostCalls): OpenCalls {
  const open = new Map<RpcId, readonly Subject[]>()
  let count = 0
  function end(rpcId: unknown): Subject | undefined {
    const [first, ...later] = (isRpcId(rpcId) ? open.get(rpcId) : undefined) ?? []
    if (first === undefined || !isRpcId(rpcId)) return undefined
    if (later.length === 0) open.delete(rpcId)
    else open.set(rpcId, later)
    count -= 1
    ended?.(first)
    return first
  }
  return {
    put: (rpcId, subject) => {
      if (!isRpcId(rpcId)) return ended?.(subject)
      while (count >= maxCalls) end(open.keys().next().value)
      open.set(rpcId, [...(open.get(rpcId) ?? []), subject])
      count += 1
    },
    find: rpcId => (isRpcId(rpcId) ? open.get(rpcId)?.[0] : undefined),
    end,
    close: () => {
      for (const rpcId of open.keys()) while (end(rpcId) !== undefined);
    },
  }
}
