import { zstdDecompressSync } from 'node:zlib'
import type { BusRecord } from '@muniment/bus'
import {
  batchAad,
  decodeFrames,
  deadLetterTopic,
  isAppError,
  parseBatchHeaders,
  topic,
  type Observation,
} from '@muniment/schema'
import { forgedFrom } from './producer.ts'
import type { World } from './run.ts'

/** A sealed batch that a masker gave up. */
export interface Letter {
  readonly lane: string
  readonly first: number
  readonly last: number
  /** Numbers of the events in it; `undefined` where no key opens it. */
  readonly events: readonly number[] | undefined
}

/** Heartbeats repeat a number, and gaps tell of what was dropped before. */
function eventsIn(packed: Uint8Array): readonly number[] {
  return [...decodeFrames(zstdDecompressSync(packed))]
    .map(({ envelope }): Observation => JSON.parse(Buffer.from(envelope).toString()))
    .filter(({ lane, kind }) => lane?.state !== 'alive' && kind !== 'gap')
    .map(({ source }) => source.seq)
}

async function letterOf({ site: { keys } }: World, { key, headers, value }: BusRecord): Promise<Letter> {
  const batch = parseBatchHeaders(key, headers)
  const { lane, kid, firstSeq: first, lastSeq: last } = batch
  try {
    return { lane, first, last, events: eventsIn(await keys.unseal(kid, value, batchAad(batch))) }
  } catch (error) {
    if (!isAppError(error, 'BATCH_UNREADABLE')) throw error
    return { lane, first, last, events: undefined }
  }
}

/** Numbers of a lane whose events lie on the raw topic in a batch that opens, or lay there when it was given up. */
export async function wholeNumbers(world: World, lane: string): Promise<ReadonlySet<number>> {
  const records = (world.site.broker.logs.get(topic.raw) ?? []).flat().filter(({ key }) => key === lane)
  const batches = await Promise.all(records.map(record => letterOf(world, record)))
  return new Set(batches.flatMap(({ events = [] }) => events))
}

/** Every dead letter of the raw topic. */
export async function lettersOf(world: World): Promise<readonly Letter[]> {
  const records = (world.site.broker.logs.get(deadLetterTopic(topic.raw)) ?? []).flat()
  return Promise.all(records.map(record => letterOf(world, record)))
}

/** Only what was spoilt or forged may be beyond opening, and only the masker gives anything up. */
export function checkLetters({ site: { broker }, poisoned }: World, letters: readonly Letter[]): string[] {
  const others = [...broker.logs].filter(
    ([name, logs]) => name.endsWith('.dlq') && name !== deadLetterTopic(topic.raw) && logs.flat().length > 0,
  )
  const unexplained = letters.filter(
    ({ lane, first, events }) =>
      events === undefined &&
      first < forgedFrom &&
      !poisoned.some(each => each.lane === lane && each.first === first),
  )
  return [
    ...others.map(([name]) => `a dead letter on ${name} that nobody spoilt`),
    ...unexplained.map(
      ({ lane, first }) => `nobody spoilt the batch from ${first} of ${lane}, but it does not open`,
    ),
  ]
}
