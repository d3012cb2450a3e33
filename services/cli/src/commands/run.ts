import { createLogger, createMetrics, runService } from '@muniment/runtime'
import { AppError } from '@muniment/schema'
import type { CliCommand } from '../command.ts'
import { openBusOf, openKeysOf } from '../context.ts'
import { argument } from '../options.ts'
import { lineMaskOf } from '../pii-rules.ts'
import { keepConsoleUrl } from '../console-url.ts'
import { requireProduction } from '../production/require.ts'
import { withRestarts } from '../restarts.ts'
import { extraWorkers, workers } from '../workers.ts'

const known = { ...workers, ...extraWorkers }

const list = Object.entries(known)
  .map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`)
  .join('\n')

/** Runs one worker until it is told to stop. */
export const runCommand: CliCommand = {
  name: 'run',
  summary: 'Run one worker, as in production',
  help: `Workers:\n${list}\n\nLogs are JSON lines on standard error; /livez, /readyz and /metrics are served where MUNIMENT_HTTP_HOST and MUNIMENT_HTTP_PORT say.`,
  examples: [
    [
      'MUNIMENT_BUS=kafka://broker:9092 MUNIMENT_SECRETS=aws: muniment run masker',
      'on Kafka and Secrets Manager',
    ],
  ],
  configure: command => {
    command.argument('<worker>', Object.keys(known).join(', '))
  },
  run: async ({ args, config, io, printer }) => {
    const name = argument(args, 0, 'worker')
    const worker = known[name]
    if (!worker)
      throw new AppError(
        'INVALID_INPUT',
        `There is no worker "${name}"; there is: ${Object.keys(known).join(', ')}.`,
      )
    const settings = await config()
    requireProduction(settings, { io, printer }, 'worker')
    const log = createLogger({ name, level: settings.logLevel, ...lineMaskOf(settings) })
    const metrics = createMetrics({ withProcess: true })
    await using bus = await openBusOf(settings, log)
    await using context = await openKeysOf(settings)
    await context.keys.require(worker.secrets)
    if (settings.bus.kind === 'embedded') await bus.createTopics()
    const tasks = await worker.tasks({
      ...context,
      config: settings,
      log,
      metrics,
      bus,
      onConsole: url => keepConsoleUrl(settings, url),
    })
    const steady = withRestarts(tasks, { log })
    const { http, drainTimeoutMs } = settings
    return await runService({ name, tasks: steady, log, metrics, http, drainTimeoutMs, signal: io.signal })
  },
}
