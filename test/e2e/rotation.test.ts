import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { openStore, openArchive } from '@muniment/archive'
import { topic } from '@muniment/schema'
import { expectAlerts, expectCalls, expectVerified, startProducers, untilArchived } from './conservation.ts'
import { openEmbedded } from './embedded.ts'
import { ask, linesOf, openBusOf, type Answer, type Installation } from './installation.ts'
import type { Producer } from './producers.ts'

const callsAtOnce = 5
const paceMs = 50
/** Each is turned over while calls are made; `--wait` goes on until the new generation is the one in use. */
const rotations = [
  ['root', '--wait'],
  ['--tenant', 'default'],
  ['ingest', '--wait'],
  ['root', '--wait'],
  ['--tenant', 'default'],
  ['masking', '--wait'],
  ['log', '--wait'],
]

const statusLine = z.object({
  secret: z.string().optional(),
  tenant: z.string().optional(),
  generation: z.string(),
  root: z.string().optional(),
})

let it: Installation
let producers: readonly Producer[] = []
const stack = new AsyncDisposableStack()
beforeAll(async () => {
  it = stack.use(await openEmbedded({ settings: { MUNIMENT_KEYS_CACHE_TTL_MS: '1000' } }))
  producers = await startProducers(it.interceptor)
  for (const producer of producers) stack.use(producer)
})
afterAll(async () => await stack.disposeAsync())

async function keys(...args: string[]): Promise<Answer> {
  return await ask(['keys', ...args], it.operator)
}

async function statusOf(name: string): Promise<readonly z.infer<typeof statusLine>[]> {
  const lines = linesOf(await keys('status', '--json'), statusLine)
  return lines.filter(({ secret, tenant }) => secret === name || tenant === name)
}

/** Everybody calls, in step, until `work` is done and once more after it. */
async function whileCalling<T>(work: Promise<T>): Promise<T> {
  let isDone = false
  const done = work.finally(() => (isDone = true))
  const call = async (producer: Producer): Promise<void> => {
    for (let isLast = false; !isLast;) {
      isLast = isDone
      const end = producer.made() + callsAtOnce
      producer.burst(callsAtOnce)
      await Promise.all([producer.reached(end), pause(paceMs)])
    }
  }
  await Promise.all(producers.map(call))
  return await done
}

/** How many segments of the default tenant each generation of its key opens. */
async function segmentsByGeneration(): Promise<ReadonlyMap<string, number>> {
  await using store = await openStore({ kind: 'file', directory: join(it.home, 'archive') })
  const { manifests } = openArchive({ store, keys: { openDataKey: () => Promise.reject(new Error('no')) } })
  const found = new Map<string, number>()
  for await (const { manifest } of manifests(topic.events))
    for (const { tenant, key_generation: generation } of manifest.segments)
      if (tenant === 'default') found.set(generation, (found.get(generation) ?? 0) + 1)
  return found
}

/** The ingest keys to which batches on the bus are sealed. */
async function ingestKeysUsed(): Promise<ReadonlySet<string | undefined>> {
  await using bus = await openBusOf(it.owner)
  const used = new Set<string | undefined>()
  const { signal } = new AbortController()
  for await (const { headers } of bus.read({ topic: topic.raw, untilEnd: true, signal }))
    used.add(headers['mun_kid'])
  return used
}

describe('keys that are turned over under load', () => {
  test('every rotation is made while producers call', async () => {
    for (const rotation of rotations) {
      const answer = await whileCalling(keys('rotate', ...rotation))
      expect(`${answer.code} ${answer.stderr}`).toMatch(/^0 /u)
    }
    for (const producer of producers) await producer.end()
    expect(await statusOf('root')).toHaveLength(3)
    expect(await statusOf('default')).toHaveLength(3)
  }, 180_000)

  test('every call is archived exactly once, masked, in order and readable', async () => {
    await untilArchived(
      it,
      producers.reduce((sum, { made }) => sum + made(), 0),
    )
    await expectCalls(it, producers)
    await expectAlerts(it, producers)
  }, 120_000)

  test('producers took the new ingest key without a restart', async () => {
    const generations = (await statusOf('ingest')).map(({ generation }) => generation)
    expect(await ingestKeysUsed()).toEqual(new Set(generations))
  })

  test('each generation of the tenant key has segments, and no other has', async () => {
    const generations = (await statusOf('default')).map(({ generation }) => generation)
    const found = await segmentsByGeneration()
    expect([...found.keys()].toSorted()).toEqual(generations.toSorted())
  })

  test('the archive verifies with all its keys', async () => {
    await expectVerified(it)
  })

  test('former roots may be destroyed, and every generation of the tenant key still opens', async () => {
    const [first, second] = await statusOf('root')
    for (const each of [first, second]) {
      const answer = await keys('retire', 'root', each?.generation ?? '')
      expect(`${answer.code} ${answer.stderr}`).toMatch(/^0 /u)
    }
    await it.workers.get('up')?.kill9()
    await it.workers.get('up')?.restart()
    await expectCalls(it, producers)
    await expectVerified(it)
  })

  test('a generation that opens segments cannot be destroyed', async () => {
    const [first] = await statusOf('default')
    const answer = await keys('retire', first?.generation ?? '', '--tenant', 'default')
    expect(answer.code).toBe(1)
    expect(answer.stderr).toContain('KEY_IN_USE')
  })
})
