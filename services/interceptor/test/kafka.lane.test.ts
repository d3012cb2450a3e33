import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openKafkaBus, type Bus } from '@muniment/bus/kafka'
import { topic } from '@muniment/schema'
// @boundaries-ignore real servers are started for tests only, from one place
import { startKafka } from '../../../test/lanes/kafka.ts'
// @boundaries-ignore real servers are started for tests only, from one place
import { describeLanes } from '../../../test/lanes/lanes.ts'
import type { SealedRecord } from '../src/batch.ts'
import { converse, talkToProgram } from './conversation.ts'
import { openLab, programEnv, story, watermarked, type Lab, type Seen } from './support.ts'

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
})
