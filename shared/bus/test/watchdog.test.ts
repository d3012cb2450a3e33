import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createGeneration, moveTo, type Generation } from '../src/kafka/generation.ts'
import { watchForStall } from '../src/kafka/watchdog.ts'
import type { PartitionState } from '../src/bus.ts'

const topic = 'mcp.events'
const place = { topic, partition: 0 }

/** Watches a generation whose partition ends at offset 10; `undefined` when nothing was noticed for a while. */
async function watch(generation: Generation, end: Partial<PartitionState> = {}) {
  const stop = new AbortController()
  const state = { ...place, firstOffset: 0, nextOffset: 10, ...end }
  const stalled = watchForStall({
    session: { generation: () => generation },
    admin: { describe: async () => [state] },
    consume: { group: 'g', topics: [topic] },
    signal: stop.signal,
    restarts: 0,
    lookEveryMs: 5,
  })
  const ending = await Promise.race([stalled, sleep(100)])
  stop.abort()
  await stalled
  return ending ?? undefined
}

test('a consumer that gets nothing although there are records is replaced', async () => {
  const generation = createGeneration([place])
  moveTo(generation, { ...place, offset: 7 })
  expect((await watch(generation))?.kind).toBe('crashed')
})

test('where nothing was read yet, the committed offset counts', async () => {
  expect((await watch(createGeneration([place]), { committedOffset: 3 }))?.kind).toBe('crashed')
  expect(await watch(createGeneration([place]), { committedOffset: 10 })).toBeUndefined()
})

test.each<[string, (generation: Generation) => void]>([
  ['is at the end', generation => moveTo(generation, { ...place, offset: 10 })],
  ['has paused its partitions', generation => generation.paused.add('mcp.events/0')],
  ['is at work', generation => generation.inHand.add(Promise.resolve())],
])('a consumer that %s is left alone', async (_, arrange) => {
  const generation = createGeneration([place])
  arrange(generation)
  expect(await watch(generation)).toBeUndefined()
})

test('a consumer that goes on is left alone', async () => {
  const generation = createGeneration([place])
  let offset = 0
  const timer = setInterval(() => moveTo(generation, { ...place, offset: offset++ % 10 }), 1)
  expect(await watch(generation)).toBeUndefined()
  clearInterval(timer)
})
