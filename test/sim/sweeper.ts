import { topic } from '@muniment/schema'
import type { Broker } from './broker.ts'
import { openSimBus } from './bus.ts'
import { createProcess } from './process.ts'
import type { Producer } from './producer.ts'
import type { Random } from './random.ts'

const atOnceBytes = 4000
const retryMs = 1000

/** Some time after an interceptor's death another process on its machine publishes what is left in its spool. */
export function sweepAfterDeath(broker: Broker, { process, disk }: Producer, random: Random): void {
  const { time, trace } = broker.surroundings
  async function sweep(): Promise<void> {
    const sweeper = createProcess({ name: `${process.name}.sweep`, time, random, trace })
    const bus = openSimBus(broker, sweeper)
    for (;;) {
      const records = await disk.peek(atOnceBytes)
      if (records.length === 0) return
      try {
        await bus.publish(topic.raw, records)
        await disk.drop()
      } catch {
        await sweeper.pause(retryMs)
      }
    }
  }
  process.onCrash(() => time.after(random.between(500, 10_000), () => void sweep()))
}
