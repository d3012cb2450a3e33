import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig, type Config } from '@muniment/runtime'
import { deadLetterTopic, topic } from '@muniment/schema'
import { checkBus } from '../src/check-bus.ts'
import { openBusOf } from '../src/context.ts'

let home = ''
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'muniment-bus-'))
})
afterAll(async () => rm(home, { recursive: true, force: true, maxRetries: 10 }))

function configOf(yaml: string): Config {
  return readConfig({ env: { MUNIMENT_HOME: home }, yaml })
}

test('tells how far each reader is behind, the classifier where there is one, and what was put aside', async () => {
  const plain = configOf('')
  expect(await checkBus(plain)).toMatch(/detector\.content 0, .*archiver 0$/u)
  {
    await using bus = await openBusOf(plain)
    const record = { key: 'a/0', value: Buffer.from('{}'), headers: {} }
    await bus.publish(topic.events, [record, record])
    await bus.publish(deadLetterTopic(topic.signals), [record])
  }
  const judged = configOf('detection: { classifier: { command: [/opt/judge] } }')
  const told = await checkBus(judged)
  expect(told).toContain('detector.classifier 2')
  expect(told).toContain('dead letters: 1, see muniment dlq list')
})
