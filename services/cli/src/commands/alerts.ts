import { alertSchema, topic, type Alert } from '@muniment/schema'
import { subscribe, type AlertFilter } from '@muniment/alerts'
import { InvalidArgumentError } from 'commander'
import type { Call, CliCommand } from '../command.ts'
import { openBusOf } from '../context.ts'
import { readNewest } from '../newest.ts'
import { flag, numberOption, positiveInteger, textOption } from '../options.ts'
import { alertLine } from '../show-event.ts'

function show({ printer }: Call, alert: Alert): void {
  printer.answer(alert, () => alertLine(alert, printer.style))
}

const severities = ['informational', 'low', 'medium', 'high', 'critical', 'fatal'] as const

type Severity = (typeof severities)[number]

function severity(text: string): Severity {
  const found = severities.find(name => name === text)
  if (found === undefined) throw new InvalidArgumentError(`Write one of ${severities.join(', ')}.`)
  return found
}

function filterOf({ options }: Call): AlertFilter {
  const tenant = textOption(options, 'tenant')
  const least = severities.find(name => name === options['severity'])
  return { ...(tenant !== undefined && { tenant }), ...(least !== undefined && { minSeverity: least }) }
}

function passes(alert: Alert, { tenant, minSeverity }: AlertFilter): boolean {
  const least = minSeverity === undefined ? 0 : severities.indexOf(minSeverity) + 1
  return alert.severity_id >= least && (tenant === undefined || alert.metadata.tenant_uid === tenant)
}

/** Lists and follows alerts. */
export const alertsCommand: CliCommand = {
  name: 'alerts',
  summary: 'Show alerts, and follow them',
  help: "An alert is an OCSF Detection Finding (class 2004). Programs subscribe with the SDK: import { subscribe } from '@muniment/alerts'.",
  examples: [
    ['muniment alerts', 'the newest 20 alerts'],
    ['muniment alerts --follow --severity high', 'high and above, as they come'],
    ['muniment alerts --json | jq .finding_info.title', 'for programs'],
  ],
  configure: command => {
    command
      .option('-n, --lines <count>', 'how many past alerts to show', positiveInteger, 20)
      .option('-f, --follow', 'go on with new alerts until interrupted')
      .option('--severity <name>', `at least: ${severities.join(', ')}`, severity)
      .option('--tenant <name>', 'only alerts of this tenant')
  },
  run: async call => {
    const { io, options, printer } = call
    await using bus = await openBusOf(await call.config())
    const filter = filterOf(call)
    const count = numberOption(options, 'lines') ?? 20
    let shown = 0
    for (const record of await readNewest(bus, topic.alerts, { count, signal: io.signal })) {
      const alert = alertSchema.safeParse(JSON.parse(Buffer.from(record.value).toString()))
      if (!alert.success || !passes(alert.data, filter)) continue
      show(call, alert.data)
      shown += 1
    }
    if (!flag(options, 'follow')) {
      if (shown === 0) printer.say('No alerts.')
      return 0
    }
    for await (const alert of subscribe({ bus, filter, signal: io.signal })) show(call, alert)
    return 0
  },
}
