import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openKafkaBus } from '@muniment/bus/kafka'
import { alertRecord, topic } from '@muniment/schema'
import { expect, test } from 'vitest'
import { alert } from '../../../shared/alerts/test/alerts.ts'
import { inherited } from '../../lanes/environment.ts'
import { startKafka } from '../../lanes/kafka.ts'
import { pythonWithKafka } from '../../lanes/kafka-python.ts'
import { describeLanes } from '../../lanes/lanes.ts'

const run = promisify(execFile)
const script = fileURLToPath(new URL('alerts.py', import.meta.url))
const document = fileURLToPath(new URL('../../../infra/kafka/asyncapi.json', import.meta.url))

/** The ids of as many alerts as it waits for. */
async function uidsRead(broker: string, most: number): Promise<readonly string[]> {
  const { stdout } = await run(pythonWithKafka(), [script, document, broker, 'pager', String(most)], {
    env: inherited(),
    timeout: 60_000,
  })
  return stdout
    .trim()
    .split('\n')
    .map(line => String(JSON.parse(line).uid))
}

describeLanes(['kafka', 'kafka-python'], 'alerts read by a plain Kafka client in Python', () => {
  test('come once each, in order, and go on where the group stopped', async () => {
    await using kafka = await startKafka()
    await using bus = await openKafkaBus({ kind: 'kafka', brokers: kafka.brokers, clientId: 'test' })
    await bus.createTopics()
    const records = [0, 1, 2, 3].map(seq => ({ ...alertRecord(alert(seq)), partition: 0 }))
    const none = { key: 'default', value: Buffer.from('{"class_uid":2004}'), headers: {}, partition: 0 }
    const [first, second, third, fourth] = records
    if (!first || !second || !third || !fourth) throw new Error('there are four alerts')
    // Once more from the beginning, as after a restart of the detector, and one that is no alert.
    await bus.publish(topic.alerts, [first, second, first, none, second, third])
    const broker = kafka.brokers.join(',')
    expect(await uidsRead(broker, 3)).toEqual(['alert-0', 'alert-1', 'alert-2'])
    await bus.publish(topic.alerts, [fourth])
    expect(await uidsRead(broker, 1)).toEqual(['alert-3'])
  }, 180_000)
})
