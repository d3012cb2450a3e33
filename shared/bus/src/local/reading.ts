import { unknownTopic } from '../records.ts'
import { defaultLimits, type LocalLog } from './log.ts'
import type { BusRecord, PartitionState, ReadOptions } from '../bus.ts'

interface Cursor {
  readonly end: number
  readonly state: PartitionState
  offset: number
}

function startOf(state: PartitionState, { from }: ReadOptions): number {
  if (from === 'end') return state.nextOffset
  const wanted = from?.find(position => position.partition === state.partition)
  return wanted?.offset ?? state.firstOffset
}

function openCursors(log: LocalLog, options: ReadOptions): Cursor[] {
  return log.partitions(options.topic).map(partition => {
    const state = log.state(partition)
    const end = options.untilEnd === true ? state.nextOffset : Number.POSITIVE_INFINITY
    return { state, end, offset: startOf(state, options) }
  })
}

interface WakeUp extends Disposable {
  /** Resolves after a change since the last call, or at the abort. */
  readonly next: () => Promise<void>
}

function createWakeUp(log: LocalLog, signal: AbortSignal): WakeUp {
  let pending = Promise.withResolvers<void>()
  const wake = (): void => pending.resolve()
  const removeListener = log.onChange(wake)
  signal.addEventListener('abort', wake)
  return {
    next: async () => {
      if (signal.aborted) return
      await pending.promise
      pending = Promise.withResolvers<void>()
    },
    [Symbol.dispose]: () => {
      removeListener()
      signal.removeEventListener('abort', wake)
    },
  }
}

/** What lies at a cursor now, up to its end; the cursor moves past it. */
function pull(log: LocalLog, cursor: Cursor): readonly BusRecord[] {
  if (cursor.offset >= cursor.end) return []
  const { topic, partition } = cursor.state
  const batch = log.fetch({ topic, partition, offset: cursor.offset }, defaultLimits)
  if (batch === undefined) {
    if (Number.isFinite(cursor.end)) cursor.offset = cursor.end
    return []
  }
  cursor.offset = batch.nextOffset
  return batch.nextOffset <= cursor.end
    ? batch.records
    : batch.records.filter(record => record.offset < cursor.end)
}

async function* follow(
  log: LocalLog,
  cursors: readonly Cursor[],
  { topic, signal }: ReadOptions,
): AsyncGenerator<BusRecord> {
  if (cursors.length === 0) throw unknownTopic(topic)
  using wakeUp = createWakeUp(log, signal)
  const isOver = (): boolean => signal.aborted || cursors.every(cursor => cursor.offset >= cursor.end)
  while (!isOver()) {
    const found = cursors.map(cursor => pull(log, cursor)).filter(records => records.length > 0)
    for (const record of found.flat()) {
      if (signal.aborted) return
      yield record
    }
    await (found.length === 0 ? wakeUp.next() : log.yieldTurn())
  }
}

/** Reads a local log without a group. Start and end are fixed when this is called. */
export function readLocal(log: LocalLog, options: ReadOptions): AsyncIterable<BusRecord> {
  return follow(log, openCursors(log, options), options)
}
