import { eventSchema, isAppError, topic } from '@muniment/schema'
import type { BusRecord } from '@muniment/bus'
import type { Call, CliCommand } from '../command.ts'
import { openBusOf } from '../context.ts'
import { readNewest } from '../newest.ts'
import { numberOption, positiveInteger, textOption } from '../options.ts'
import { eventLine } from '../show-event.ts'

function show({ printer, options }: Call, record: BusRecord): void {
  const tenant = textOption(options, 'tenant')
  if (tenant !== undefined && record.headers['mun_tenant'] !== tenant) return
  const parsed = eventSchema.safeParse(JSON.parse(Buffer.from(record.value).toString()))
  if (!parsed.success)
    return printer.say(`Skipped a record that is no event: ${record.partition}/${record.offset}`)
  printer.answer(parsed.data, () => eventLine(parsed.data, printer.style))
}

/** Shows events as they come out of the masker. */
export const tailCommand: CliCommand = {
  name: 'tail',
  summary: 'Show events as they happen',
  examples: [
    ['muniment tail', 'the newest 10 events, then every new one'],
    ['muniment tail -n 100 --no-follow --json', 'the newest 100 as NDJSON, then end'],
  ],
  configure: command => {
    command
      .option('-n, --lines <count>', 'how many past events to show first', positiveInteger, 10)
      .option('--no-follow', 'end after the past events')
      .option('--tenant <name>', 'only events of this tenant')
  },
  run: async call => {
    const { io, options } = call
    await using bus = await openBusOf(await call.config())
    const count = numberOption(options, 'lines') ?? 10
    const positions = await bus.describe(topic.events)
    for (const record of await readNewest(bus, topic.events, { count, signal: io.signal })) show(call, record)
    if (options['follow'] === false) return 0
    const from = positions.map(({ partition, nextOffset }) => ({
      topic: topic.events,
      partition,
      offset: nextOffset,
    }))
    try {
      for await (const record of bus.read({ topic: topic.events, from, signal: io.signal }))
        show(call, record)
    } catch (error) {
      if (isAppError(error) || !io.signal.aborted) throw error
    }
    return 0
  },
}
