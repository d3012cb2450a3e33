import { openBus } from '@muniment/bus'
import { readConfig } from '@muniment/runtime'
import { eventSchema, topic, type MunimentEvent } from '@muniment/schema'

const patienceMs = 60_000

/** The event of the first call to a tool by a client, as soon as it comes out of the masker; needs a running `muniment up`. */
export async function recorded(client: string, tool: string): Promise<MunimentEvent> {
  // oxlint-disable-next-line node/no-process-env -- examples are programs
  const { bus: config } = readConfig({ env: process.env })
  if (config.kind === 'collector') throw new Error('a collector cannot be read from')
  await using bus = await openBus(config)
  for await (const { value } of bus.read({ topic: topic.events, signal: AbortSignal.timeout(patienceMs) })) {
    const event = eventSchema.parse(JSON.parse(Buffer.from(value).toString()))
    if (event.client?.name === client && event.target === tool) return event
  }
  throw new Error(`no call of ${client} to ${tool} was recorded within ${patienceMs} ms`)
}
