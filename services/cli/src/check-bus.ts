import type { Bus } from '@muniment/bus'
import type { Config } from '@muniment/runtime'
import { deadLetterTopic, topic, topics } from '@muniment/schema'
import { openBusOf } from './context.ts'
import { detectionOf } from './tool-labels.ts'

const groups: readonly (readonly [group: string, topic: string])[] = [
  ['muniment.masker', topic.raw],
  ['muniment.detector.content', topic.events],
  ['muniment.detector.behaviour', topic.signals],
  ['muniment.archiver', topic.events],
]

/** Those that should be reading; a classifier is an extra. */
async function groupsOf(config: Config): Promise<typeof groups> {
  const { classifier } = await detectionOf(config)
  return classifier === undefined ? groups : [...groups, ['muniment.detector.classifier', topic.events]]
}

async function lagOf(bus: Bus, group: string, name: string): Promise<number> {
  const partitions = await bus.describe(name, group)
  return partitions.reduce(
    (sum, { firstOffset, nextOffset, committedOffset = firstOffset }) =>
      sum + Math.max(0, nextOffset - Math.max(committedOffset, firstOffset)),
    0,
  )
}

async function deadLetters(bus: Bus): Promise<string> {
  const partitions = await Promise.all(Object.values(topic).map(name => bus.describe(deadLetterTopic(name))))
  const count = partitions
    .flat()
    .reduce((sum, { firstOffset, nextOffset }) => sum + nextOffset - firstOffset, 0)
  return count === 0 ? '' : `; dead letters: ${count}, see muniment dlq list`
}

/** Whether all topics are there, how far behind those who read them are, and how many records were put aside. */
export async function checkBus(config: Config): Promise<string> {
  await using bus = await openBusOf(config)
  const missing: string[] = []
  for (const { name } of topics) if ((await bus.describe(name)).length === 0) missing.push(name)
  if (missing.length === topics.length)
    return 'the bus answers; it has no topics yet, muniment up creates them'
  if (missing.length > 0) throw new Error(`these topics do not exist: ${missing.join(', ')}`)
  const lags = await Promise.all(
    (await groupsOf(config)).map(
      async ([group, name]) => `${group.slice('muniment.'.length)} ${await lagOf(bus, group, name)}`,
    ),
  )
  return `all ${topics.length} topics are there; records behind: ${lags.join(', ')}${await deadLetters(bus)}`
}
