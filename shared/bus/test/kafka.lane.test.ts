// @boundaries-ignore the lanes are tools for the tests of all packages
import { startKafka } from '../../../test/lanes/kafka.ts'
// @boundaries-ignore the lanes are tools for the tests of all packages
import { describeLanes } from '../../../test/lanes/lanes.ts'
import { openKafkaBus } from '../src/kafka.ts'
import { describeBus } from './contract.ts'

describeLanes(['kafka'], 'the bus on Kafka', () => {
  describeBus('kafka', async () => {
    const { brokers, stop } = await startKafka()
    return {
      open: ({ topicPrefix, deps }) =>
        openKafkaBus(
          { kind: 'kafka', brokers, clientId: 'test', topicPrefix, publishTimeoutMs: 20_000 },
          deps,
        ),
      [Symbol.asyncDispose]: async () => await stop(),
    }
  })
})
