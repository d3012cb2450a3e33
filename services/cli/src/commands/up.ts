import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createLogger, createMetrics, runService, type Config, type Task } from '@muniment/runtime'
import { openBusOf, openKeysOf } from '../context.ts'
import type { Call, CliCommand } from '../command.ts'
import { keepConsoleUrl } from '../console-url.ts'
import { publishControlKeys, publishIngestKey } from '../ingest-key.ts'
import { openLogFile } from '../log-file.ts'
import { flag } from '../options.ts'
import { lineMaskOf } from '../pii-rules.ts'
import { requireProduction } from '../production/require.ts'
import { withRestarts } from '../restarts.ts'
import { anchorLastCuts, spoolTasks, workers, type WorkerContext } from '../workers.ts'

async function allTasks(context: WorkerContext): Promise<Record<string, Task>> {
  const made = [await spoolTasks(context)]
  for (const { tasks } of Object.values(workers)) made.push(await tasks(context))
  return Object.assign({}, ...made)
}

function welcome({ printer }: Call, config: Config, consoleUrl: string): void {
  const { say, style } = printer
  say(`${style('bold', 'Muniment is up.')} Everything lies under ${config.home}; Ctrl-C stops it.`)
  say(`Console: ${style('cyan', consoleUrl)}`)
  say('')
  say('Observe a server: put this before its command, in your MCP client or in a shell:')
  say(`  ${style('cyan', `MUNIMENT_HOME=${config.home} npx muniment wrap -- <command>`)}`)
  say('')
  say('Then, in another terminal:')
  say(`  ${style('cyan', 'npx muniment tail')}      calls as they happen`)
  say(`  ${style('cyan', 'npx muniment alerts')}    what deserves a look`)
  say(`  ${style('cyan', 'npx muniment verify')}    nothing altered, nothing missing`)
}

/** The demonstration from the first call to the verified archive; 0 where it shows what it should. */
async function demonstrate(call: Call, context: WorkerContext): Promise<number> {
  const { runDemo } = await import('../demo/demo.ts')
  const { isDemoFine, printDemo } = await import('../demo/report.ts')
  const { io, printer } = call
  const result = await runDemo({ context, env: io.env, signal: io.signal, onProgress: printer.progress })
  if (printer.isJson) printer.answer({ ...result, kinds: Object.fromEntries(result.kinds) }, () => '')
  else printDemo(result, context.config, printer)
  return isDemoFine(result) ? 0 : 1
}

async function stayUp(call: Call, context: WorkerContext, address: Promise<string>): Promise<number> {
  const { io, printer, options } = call
  if (flag(options, 'demo')) {
    const { makeCalls } = await import('../demo/demo.ts')
    const { calls } = await makeCalls({
      context,
      env: io.env,
      signal: io.signal,
      onProgress: printer.progress,
    })
    printer.say(
      `Made ${calls} calls to three real MCP servers under observation, to have something to look at.`,
    )
  }
  welcome(call, context.config, await address)
  return 0
}

/** Runs the whole pipeline in one process. */
export const upCommand: CliCommand = {
  name: 'up',
  summary: 'Run everything that stands behind interceptors, in one process',
  help: 'Bus, keys and archive lie under MUNIMENT_HOME unless settings say otherwise. Logs go to MUNIMENT_HOME/muniment.log.',
  examples: [
    ['muniment up', 'until Ctrl-C'],
    ['muniment up --demo', 'and make calls to real MCP servers, to have something to look at'],
    ['muniment up --once', 'make the calls, archive, query and verify them, tell what was done, and end'],
  ],
  configure: command => {
    command
      .option('--demo', 'run real MCP servers under observation and call them')
      .option('--once', 'the demo, from the first call to the verified archive, then end')
  },
  run: async call => {
    const config = await call.config()
    requireProduction(config, call, 'up')
    mkdirSync(config.home, { recursive: true, mode: 0o700 })
    await publishIngestKey(config)
    await publishControlKeys(config)
    using destination = openLogFile(join(config.home, 'muniment.log'), reason =>
      call.printer.say(
        `The log in ${config.home} cannot be written (${reason}): its lines are lost until it can. Free space there.`,
      ),
    )
    const log = createLogger({ name: 'up', level: config.logLevel, destination, ...lineMaskOf(config) })
    const metrics = createMetrics({ withProcess: true })
    await using bus = await openBusOf(config, log)
    await using keyContext = await openKeysOf(config)
    await bus.createTopics()
    const address = Promise.withResolvers<string>()
    const onConsole = (url: string): void => {
      keepConsoleUrl(config, url)
      address.resolve(url)
    }
    const context = { ...keyContext, config, log, metrics, bus, onConsole }
    const tasks = withRestarts(await allTasks(context), { log })
    const done = new AbortController()
    const signal = AbortSignal.any([call.io.signal, done.signal])
    const { http, drainTimeoutMs } = config
    const service = runService({ name: 'up', tasks, log, metrics, http, drainTimeoutMs, signal })
    const answer = flag(call.options, 'once')
      ? await demonstrate(call, context).finally(() => done.abort())
      : await stayUp(call, context, address.promise)
    const exitCode = await service
    await anchorLastCuts(context)
    return Math.max(answer, exitCode)
  },
}
