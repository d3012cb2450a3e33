import { setTimeout as delay } from 'node:timers/promises'
import { nameOf } from '../records.ts'
import type { TopicPartition } from '../bus.ts'
import type { Administration } from './admin.ts'
import type { Generation } from './generation.ts'
import type { Ending, Session } from './session.ts'

const defaultLookEveryMs = 30_000
const maxEveryMs = 600_000

export interface WatchOptions {
  readonly session: Pick<Session, 'generation'>
  readonly admin: Pick<Administration, 'describe'>
  readonly consume: { readonly group: string; readonly topics: readonly string[] }
  readonly signal: AbortSignal
  /** Restarts without a batch in between: records that no consumer sees, such as markers of transactions, must not restart it for ever. */
  readonly restarts: number
  /** Time between two looks; default 30 s. */
  readonly lookEveryMs?: number
}

/** What is moving: the same answer twice means that nothing did. */
function markOf(generation: Generation): string {
  return `${generation.batches} ${[...generation.positions].join(' ')}`
}

async function isBehind({ admin, consume }: WatchOptions, generation: Generation): Promise<boolean> {
  const isOpen = (place: TopicPartition): boolean => !generation.paused.has(nameOf(place))
  for (const topic of consume.topics) {
    const states = await admin.describe(topic, consume.group)
    const places = generation.places.filter(place => place.topic === topic && isOpen(place))
    for (const { partition, firstOffset, nextOffset, committedOffset } of states) {
      if (!places.some(place => place.partition === partition)) continue
      const position =
        generation.positions.get(nameOf({ topic, partition })) ?? committedOffset ?? firstOffset
      if (Math.max(position, firstOffset) < nextOffset) return true
    }
  }
  return false
}

interface Look {
  readonly generation: Generation
  readonly mark: string
}

/** `undefined` while there is work in hand, or nothing is held. */
function look(session: WatchOptions['session']): Look | undefined {
  const generation = session.generation()
  if (generation === undefined || generation.inHand.size > 0) return undefined
  return { generation, mark: markOf(generation) }
}

function isSame(left: Look | undefined, right: Look | undefined): boolean {
  return left !== undefined && left.generation === right?.generation && left.mark === right.mark
}

/** Resolves when nothing was handed over for a while although there is something to hand over: kafkajs has stopped fetching. */
export async function watchForStall(options: WatchOptions): Promise<Ending | undefined> {
  const { session, signal, restarts, lookEveryMs = defaultLookEveryMs } = options
  const everyMs = Math.min(maxEveryMs, lookEveryMs * 2 ** restarts)
  let before: Look | undefined
  while (!signal.aborted) {
    await delay(everyMs, undefined, { signal, ref: false }).catch(() => undefined)
    const now = look(session)
    const isStill = isSame(before, now)
    before = now
    if (now === undefined || !isStill) continue
    // Brokers that do not answer are no stall: the session notices them by itself.
    const behind = await isBehind(options, now.generation).catch(() => false)
    if (behind && isSame(now, look(session))) {
      const error = new Error(`nothing was fetched for ${everyMs} ms although there are records`)
      return { kind: 'crashed', error }
    }
  }
  return undefined
}
