import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { howMany } from '../lanes/environment.ts'
import { serverFolder } from '../lanes/server.ts'
import { expectConserved, keysIn, openBusIn, placeIn, publishTo, startFighter } from './fights.ts'

const fightMs = howMany('MUNIMENT_TEST_FIGHT_MS', 10_000)
const perRound = 12

test(`two archivers and two notaries, each pair without a word to each other, come to one archive in ${fightMs} ms`, async () => {
  await using stack = new AsyncDisposableStack()
  const folder = serverFolder('fight')
  stack.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  const store = { kind: 'file', directory: join(folder, 'archive') } as const
  const [one, two] = [placeIn(join(folder, 'one'), store), placeIn(join(folder, 'two'), store)]
  await (await keysIn(one)).logSigner()
  // The same keys, but a bus and a lease of its own for each: both believe that they are alone.
  const places = [one, { ...two, keys: one.keys }]
  const buses = await Promise.all(places.map(openBusIn))
  for (const bus of buses) stack.use(bus)
  const workers = await Promise.all(
    places.flatMap(place => ['archiver', 'notary'].map(role => startFighter(role, place))),
  )
  for (const worker of workers) stack.use(worker)
  let count = 0
  for (const endMs = Date.now() + fightMs; Date.now() < endMs; count += perRound) {
    await publishTo(buses, count, perRound)
    await pause(20)
    for (const worker of workers) worker.assertAlive()
  }
  expect(count).toBeGreaterThan(perRound)
  for (const [at, bus] of buses.entries()) await expectConserved(places[at] ?? one, bus, count)
}, 600_000)
