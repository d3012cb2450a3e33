import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openKafkaBus, type Bus } from '@muniment/bus/kafka'
import { decisionRecord, signDecision } from '@muniment/keys'
import { topic } from '@muniment/schema'
// @boundaries-ignore real servers are started for tests only, from one place
import { startKafka } from '../../../test/lanes/kafka.ts'
// @boundaries-ignore real servers are started for tests only, from one place
import { describeLanes } from '../../../test/lanes/lanes.ts'
import type { SealedRecord } from '../src/batch.ts'
import { openHost, type Host } from '../src/host.ts'
import { readSettings } from '../src/main-env.ts'
import type { Problem } from '../src/problem.ts'
import { converse, talkToProgram } from './conversation.ts'
import { drained, openLab, programEnv, story, watermarked, type Lab, type Seen } from './support.ts'

async function rawOf(bus: Bus): Promise<SealedRecord[]> {
  const records: SealedRecord[] = []
  const { signal } = new AbortController()
  for await (const { key, headers, value } of bus.read({ topic: topic.raw, untilEnd: true, signal }))
    records.push({ key: key ?? '', headers, value })
  return records
}

async function seenOn(bus: Bus, lab: Lab): Promise<Seen[]> {
  return watermarked(await lab.open(await rawOf(bus)))
}

function idOf(key: string): string {
  return key.split('.')[0] ?? ''
}

/** The id of the key that something recorded now is sealed to. */
async function sealedTo(records: () => Promise<SealedRecord[]>, by: Host): Promise<string | undefined> {
  by.core.act({ method: 'm', outcome: 'ok', principal: { id: 'root', method: 'os' }, details: {} })
  await by.core.flush()
  return (await records()).at(-1)?.headers['mun_kid']
}

describeLanes(['kafka'], 'an interceptor on Kafka', () => {
  test('publishes what it sees, ends with its process, and brings what a dead bus left over with the next start', async () => {
    await using lab = await openLab()
    await using kafka = await startKafka()
    await using bus = await openKafkaBus({ kind: 'kafka', brokers: kafka.brokers, clientId: 'test' })
    await bus.createTopics()
    const env = { ...programEnv, MUNIMENT_HOME: lab.home, MUNIMENT_BUS: `kafka://${kafka.brokers.join(',')}` }
    const runner = join(import.meta.dirname, 'wrap-runner.ts')
    const server = join(import.meta.dirname, 'servers.ts')
    const command = [runner, '{}', process.execPath, server, 'v2']

    await converse(await talkToProgram('v2', command, env))
    const first = await seenOn(bus, lab)
    expect(first.map(story).at(-1)).toBe('heartbeat end')
    expect(first).toHaveLength(18)

    await kafka.kill9()
    await converse(await talkToProgram('v2', command, env))
    await kafka.restart()
    // A port that is open does not lead its partitions yet.
    await bus.publish('mcp.signals', [{ key: 'probe', value: new Uint8Array(1), headers: {} }])
    await converse(await talkToProgram('v2', command, env))
    await expect
      .poll(async () => (await seenOn(bus, lab)).length, { timeout: 40_000, interval: 500 })
      .toBe(54)

    const program = spawn(process.execPath, [join(import.meta.dirname, 'program.ts'), lab.home, 'none'], {
      env,
      stdio: 'ignore',
    })
    expect(await once(program, 'exit')).toEqual([0, null])
  }, 150_000)

  test('seals to the key that is announced on the topic, whoever else writes there, and goes on so while the bus is away', async () => {
    await using lab = await openLab()
    await using other = await openLab()
    await using kafka = await startKafka()
    const brokers = kafka.brokers.join(',')
    await using bus = await openKafkaBus({ kind: 'kafka', brokers: kafka.brokers, clientId: 'test' })
    await bus.createTopics()
    const problems: Problem[] = []
    const environment = { MUNIMENT_HOME: lab.home, MUNIMENT_BUS: `kafka://${brokers}` }
    const start = (): Host =>
      openHost(readSettings({ ingestKey: lab.ingestKey, onProblem: one => problems.push(one) }, environment))
    const announce = async (by: Lab, key: string, nowMs: number): Promise<void> => {
      const draft = { scope: 'ingest_key', value: '*', action: 'rotate', reason: 'test' } as const
      const circumstances = { signer: await by.keys.controlSigner(), nowMs, previous: undefined }
      const decision = signDecision({ ...draft, public_key: key, lifeMs: 600_000 }, circumstances)
      await bus.publish(topic.control, [decisionRecord(decision)])
    }
    const host = start()
    const onBus = (): Promise<SealedRecord[]> => rawOf(bus)
    const seen = new Set<string>()
    const settled = async (): Promise<string | undefined> => {
      const kid = await sealedTo(onBus, host)
      if (kid !== undefined) seen.add(kid)
      return kid
    }
    const nowMs = Date.now()
    await expect.poll(settled, { timeout: 20_000 }).toBe(idOf(lab.ingestKey))
    await announce(other, `mallory.${other.ingestKey.split('.')[1]}`, nowMs + 2000)
    await announce(lab, other.ingestKey, nowMs)
    await expect.poll(settled, { timeout: 20_000 }).toBe(idOf(other.ingestKey))
    expect(problems.map(({ code }) => code)).toContain('ACCESS_DENIED')

    // Signed for the key of the past, and older: what follows it proves that it was read.
    await announce(lab, lab.ingestKey, nowMs - 1000)
    await announce(lab, `3-next.${other.ingestKey.split('.')[1]}`, nowMs + 1000)
    await expect.poll(settled, { timeout: 20_000 }).toBe('3-next')
    expect([...seen]).toEqual([idOf(lab.ingestKey), idOf(other.ingestKey), '3-next'])
    await host.close(5000)

    await kafka.kill9()
    const later = start()
    const kid = await sealedTo(() => drained(join(lab.home, 'spool')), later)
    await later.close(100)
    expect(kid).toBe('3-next')
  }, 120_000)
})
