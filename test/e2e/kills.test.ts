import { rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'vitest'
import { howMany } from '../lanes/environment.ts'
import { describeLanes } from '../lanes/lanes.ts'
import { startS3, type S3Server } from '../lanes/s3.ts'
import { serverFolder } from '../lanes/server.ts'
import { createDice } from './conservation.ts'
import { expectConserved, keysIn, openBusIn, placeIn, publishTo, startFighter } from './fights.ts'
import type { FightPlace } from '../fixtures/fighter.ts'

const seed = howMany('MUNIMENT_TEST_SEED', 20_261_130)
const kills = howMany('MUNIMENT_TEST_KILLS', 12)
const roles = ['archiver', 'notary', 'query'] as const
const bucket = 'killed'
/** How long everybody works at most before the next is killed. */
const longestPeaceMs = 300
const perKill = 12

async function placeOn(s3: S3Server, folder: string): Promise<FightPlace> {
  await s3.createLockedBucket(bucket)
  const { endpoint, region, accessKeyId, secretAccessKey } = s3
  const client = { endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } }
  return placeIn(folder, { kind: 's3', bucket, client })
}

interface Victim {
  readonly kill9: () => Promise<void>
  readonly restart: () => Promise<void>
}

/** Kills victims as the dice say. Whoever was killed comes back while others are killed already. */
async function killAround(
  victims: readonly Victim[],
  onKill: (kill: number) => Promise<void>,
): Promise<void> {
  const dice = createDice(seed)
  const returning = new Map<Victim, Promise<void>>()
  for (let kill = 0; kill < kills; kill++) {
    await onKill(kill)
    await pause(dice(longestPeaceMs))
    const victim = victims[dice(victims.length)]
    if (victim === undefined) continue
    await returning.get(victim)
    await victim.kill9()
    returning.set(victim, victim.restart())
  }
  await Promise.all(returning.values())
}

describeLanes(['s3'], 'workers and a store that are killed', () => {
  test(`nothing is lost, doubled or forked though archiver, notary, query and store are killed ${kills} times (seed ${seed})`, async () => {
    await using stack = new AsyncDisposableStack()
    const folder = serverFolder('killed')
    stack.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
    const s3 = stack.use(await startS3())
    const place = await placeOn(s3, folder)
    await (await keysIn(place)).logSigner()
    const bus = stack.use(await openBusIn(place))
    const workers = await Promise.all(roles.map(role => startFighter(role, place)))
    for (const worker of workers) stack.use(worker)
    await killAround([...workers, s3], async kill => {
      await publishTo([bus], kill * perKill, perKill)
      for (const worker of workers) worker.assertAlive()
    })
    for (const worker of workers) worker.assertAlive()
    await expectConserved(place, bus, kills * perKill)
  }, 1_800_000)
})
