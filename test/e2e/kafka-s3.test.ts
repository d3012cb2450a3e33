import { topic } from '@muniment/schema'
import { expect, test } from 'vitest'
import { describeLanes } from '../lanes/lanes.ts'
import { openBusOf } from './installation.ts'
import { pipelineCases } from './pipeline.ts'
import { openProduction } from './production.ts'

describeLanes(['kafka', 's3', 'secrets'], 'the pipeline on Kafka and S3, each worker a process', () => {
  pipelineCases(openProduction, it => {
    test.each([topic.raw, topic.events, topic.signals, topic.alerts])(
      'the brokers refuse an interceptor that reads %s',
      async name => {
        await using bus = await openBusOf(it().interceptor)
        const read = async (): Promise<void> => {
          const signal = AbortSignal.timeout(20_000)
          for await (const _ of bus.read({ topic: name, untilEnd: true, signal })) break
        }
        await expect(read()).rejects.toMatchObject({ code: 'BUS_REJECTED' })
      },
      30_000,
    )
  })
})
