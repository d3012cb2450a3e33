import { openBus } from '@muniment/bus'
import { readConfig } from '@muniment/runtime'
import { eventSchema, topic, type MunimentEvent } from '@muniment/schema'

const patienceMs = 60_000

/** The first event that fits, as soon as it comes out of the masker; needs a running `muniment up`. */
export async function recordedWhere(fits: (event: MunimentEvent) => boolean): Promise<MunimentEvent> {
  // oxlint-disable-next-line node/no-process-env -- examples are programs
  const { bus: config } = readConfig({ env: process.env })
  if (config.kind === 'collector') throw new Error('a collector cannot be read from')
  await using bus = await openBus(config)
  for await (const { value } of bus.read({ topic: topic.events, signal: AbortSignal.timeout(patienceMs) })) {
    const event = eventSchema.parse(JSON.parse(Buffer.from(value).toString()))
    if (fits(event)) return event
  }
  throw new Error(`what was to be recorded was not within ${patienceMs} ms`)
}

/** The event of the first call to a tool by a client. */
export function recorded(client: string, tool: string): Promise<MunimentEvent> {
  return recordedWhere(event => event.client?.name === client && event.target === tool)
}
