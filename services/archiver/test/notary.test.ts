import { openState } from '@muniment/state'
import { topic } from '@muniment/schema'
import { expect, test } from 'vitest'
import { createNotary } from '../src/index.ts'
import { createLease } from '../src/lease.ts'
import { archiveEvents, createWorld, runUntil, type World } from './world.ts'

async function countManifests(world: World): Promise<number> {
  let count = 0
  for await (const _ of world.archive.manifests(topic.events)) count += 1
  return count
}

async function treeSize(world: World): Promise<number> {
  const checkpoint = await world.store.checkpoint.read()
  return Number(checkpoint?.bytes.toString().split('\n')[1] ?? 0)
}

test('every manifest comes into the log, and its head is signed', async () => {
  await using world = await createWorld()
  await archiveEvents(world, [0, 1, 2, 3, 4, 5, 6])
  const count = await countManifests(world)
  const notary = createNotary({ ...world, intervalMs: 5 })
  await runUntil(notary, async () => (await treeSize(world)) === count)
  const checkpoint = (await world.store.checkpoint.read())?.bytes.toString() ?? ''
  expect(checkpoint.split('\n')[0]).toBe('test.example/log')
  expect(checkpoint).toMatch(/\n\n— test\.example\/log \S+\n$/u)
})

test('two notaries that both believe to hold the lease keep one log', async () => {
  await using world = await createWorld()
  const others = [await openState({ kind: 'memory' }), await openState({ kind: 'memory' })]
  const notaries = others.map(state => createNotary({ ...world, state, intervalMs: 2 }))
  const isDone = async (): Promise<boolean> => (await treeSize(world)) >= 7
  const running = notaries.map(notary => runUntil(notary, isDone))
  for (const start of [0, 3, 6, 9, 12, 15, 18]) await archiveEvents(world, [start, start + 1, start + 2])
  await Promise.all(running)
  expect(await treeSize(world)).toBe(await countManifests(world))
})

test('a lease has one holder, until it expires or is given back', async () => {
  const state = await openState({ kind: 'memory' })
  let now = 1000
  const lease = (holder: string): ReturnType<typeof createLease> =>
    createLease({ state, key: 'lease/x', holder, durationMs: 100, nowMs: () => now })
  const [a, b] = [lease('a'), lease('b')]
  expect([await a.hold(), await b.hold()]).toEqual([true, false])
  now += 60
  expect([await a.hold(), await b.hold()]).toEqual([true, false])
  now += 100
  expect([await b.hold(), await a.hold()]).toEqual([true, false])
  await b.release()
  expect(await a.hold()).toBe(true)
})
