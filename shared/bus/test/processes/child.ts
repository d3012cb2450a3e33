// One process of the multi-process tests of the embedded bus: `produce` or `consume`, until it is killed.
import { Buffer } from 'node:buffer'
import { openBus } from '../../src/index.ts'

const topic = 'mcp.alerts'
const [role = '', dir = '', name = ''] = process.argv.slice(2)

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Says a number only after it is durable. */
async function produce(): Promise<void> {
  const bus = await openBus({ kind: 'embedded', dir })
  for (let number = 0; ; number += 10) {
    const records = Array.from({ length: 10 }, (_, index) => ({
      key: name,
      value: Buffer.from(`${name}/${number + index}`),
      headers: {},
    }))
    await bus.publish(topic, records)
    say(String(number + 9))
  }
}

async function consume(): Promise<void> {
  const bus = await openBus({ kind: 'embedded', dir })
  const { signal } = new AbortController()
  const consumer = bus.consume({
    group: 'g',
    topics: [topic],
    signal,
    maxBatchRecords: 20,
    onAssign: async partitions => {
      say(`assigned ${partitions.length}`)
      return []
    },
    onBatch: async ({ partition, records, nextOffset }) => {
      for (const { offset } of records) say(`${partition}/${offset}`)
      await consumer.commit([{ topic, partition, offset: nextOffset }])
    },
  })
  await consumer.done
}

await (role === 'produce' ? produce() : consume())
