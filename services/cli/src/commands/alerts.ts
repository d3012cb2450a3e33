import { alertSchema, AppError, topic, type Alert } from '@muniment/schema'
import { subscribe, type AlertFilter } from '@muniment/alerts'
import { InvalidArgumentError } from 'commander'
import type { Call, CliCommand } from '../command.ts'
import { openBusOf } from '../context.ts'
import { giveVerdict, showStats } from '../give-verdict.ts'
import { readNewest } from '../newest.ts'
import { flag, life, numberOption, positiveInteger, textOption } from '../options.ts'
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

async function showAlerts(call: Call): Promise<number> {
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
}

const actions: Readonly<Record<string, (call: Call) => Promise<number>>> = {
  ack: async call => giveVerdict(call, 'ack'),
  'false-positive': async call => giveVerdict(call, 'false_positive'),
  stats: showStats,
}

/** Lists and follows alerts. */
export const alertsCommand: CliCommand = {
  name: 'alerts',
  summary: 'Show alerts and follow them; say which were right',
  help: "Verdicts feed each rule's precision. --except holds alerts of the same rule and dedup key back from sinks and from responses until it expires; they are recorded all the same.\n\nAn alert is an OCSF Detection Finding (class 2004). Programs subscribe with the SDK: import { subscribe } from '@muniment/alerts'.",
  examples: [
    ['muniment alerts', 'the newest 20 alerts'],
    ['muniment alerts --follow --severity high', 'high and above, as they come'],
    ['muniment alerts ack ID --reason "a real attempt"', 'this one was right'],
    [
      'muniment alerts false-positive ID --reason "nightly job" --except 7d',
      'a false alarm, and nothing more of it for a week',
    ],
    ['muniment alerts stats', 'how each rule has fared'],
    ['muniment alerts --json | jq .finding_info.title', 'for programs'],
  ],
  configure: command => {
    command
      .argument('[action]', 'ack, false-positive or stats; default: show alerts')
      .argument('[uid]', 'the alert: the last word of its line')
      .option('--reason <text>', 'with a verdict: why')
      .option('--except <duration>', 'with false-positive: how long its like is held back, such as 7d', life)
      .option('-n, --lines <count>', 'how many past alerts to show', positiveInteger, 20)
      .option('-f, --follow', 'go on with new alerts until interrupted')
      .option('--severity <name>', `at least: ${severities.join(', ')}`, severity)
      .option('--tenant <name>', 'only alerts of this tenant')
  },
  run: async call => {
    const [action] = call.args
    if (action === undefined) return await showAlerts(call)
    const act = actions[action]
    if (act === undefined)
      throw new AppError(
        'INVALID_INPUT',
        `"${action}" is not something alerts does: ack, false-positive or stats.`,
      )
    return await act(call)
  },
}
