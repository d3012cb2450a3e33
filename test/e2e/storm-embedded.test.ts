import { test } from 'vitest'
import {
  createDice,
  expectAlerts,
  expectCalls,
  expectVerified,
  rage,
  startProducers,
  untilArchived,
} from './conservation.ts'
import { openEmbedded } from './embedded.ts'

const seed = 20261121

test(`5,000 calls of four producers are archived exactly once though \`up\` is killed six times (seed ${seed})`, async () => {
  await using it = await openEmbedded()
  const victims = Array.from(it.workers, ([name, { kill9, restart }]) => ({ name, kill9, restart }))
  await using stack = new AsyncDisposableStack()
  const producers = await startProducers(it.interceptor)
  for (const producer of producers) stack.use(producer)
  const rounds = Array.from({ length: 6 }, () => victims)
  await rage({ dice: createDice(seed), callsPerRound: 210, rounds }, producers)
  for (const producer of producers) await producer.end()
  await untilArchived(it, 6 * 4 * 210)
  await expectCalls(it, producers)
  await expectAlerts(it, producers)
  await expectVerified(it)
}, 180_000)
