import { expect, test } from 'vitest'
import { describeLanes } from '../lanes/lanes.ts'
import {
  createDice,
  expectAlerts,
  expectCalls,
  expectVerified,
  rage,
  startProducers,
  untilArchived,
  type Victim,
} from './conservation.ts'
import { openProduction, type Production } from './production.ts'

const seed = 20261121
const roundCount = 12
const callsPerRound = 420

/** Two workers die in each round, each kind as often as the others; the broker and the store die once. */
function victimsOf({ workers, site }: Production): readonly (readonly Victim[])[] {
  const kinds = Array.from(workers, ([name, { kill9, restart }]) => ({ name, kill9, restart }))
  const rounds = Array.from({ length: roundCount }, (_, round) =>
    [round * 2, round * 2 + 1].flatMap(at => kinds.at(at % kinds.length) ?? []),
  )
  const broker = { name: 'broker', kill9: site.broker.kill9, restart: site.broker.restart }
  const store = { name: 's3', kill9: site.s3.kill9, restart: site.s3.restart }
  return rounds.map((victims, round) => [
    ...victims,
    ...(round === 4 ? [broker] : []),
    ...(round === 8 ? [store] : []),
  ])
}

describeLanes(['kafka', 's3', 'secrets'], 'a storm over Kafka and S3', () => {
  test(`20,160 calls of four producers are archived exactly once though 24 workers, the broker and the store are killed (seed ${seed})`, async () => {
    await using it = await openProduction()
    await using stack = new AsyncDisposableStack()
    const producers = await startProducers(it.interceptor)
    for (const producer of producers) stack.use(producer)
    const rounds = victimsOf(it)
    expect(rounds.flat().length).toBe(26)
    await rage({ dice: createDice(seed), callsPerRound, rounds }, producers)
    await untilArchived(it, roundCount * callsPerRound * producers.length)
    for (const producer of producers) await producer.end()
    await expectCalls(it, producers)
    await expectAlerts(it, producers)
    await expectVerified(it)
  }, 400_000)
})
