import type { Config } from '@muniment/runtime'
import { printReport } from '../commands/verify.ts'
import type { Printer } from '../print.ts'
import { alertLine } from '../show-event.ts'
import type { DemoResult } from './demo.ts'

function archiveText({ store }: Config): string {
  return store.kind === 'file' ? store.dir : `s3://${store.bucket}/${store.prefix}`
}

/** Tells a person what the demonstration did. */
export function printDemo(result: DemoResult, config: Config, printer: Printer): void {
  const { say, style } = printer
  const kinds = [...result.kinds].map(([kind, count]) => `${kind} ×${count}`)
  say(style('bold', `${result.calls} calls to three MCP servers, ${result.errors} of them meant to fail.`))
  say(`Recorded as ${result.events} events. Masked: ${kinds.join(', ')}.`)
  say(
    result.leaked.length === 0
      ? style('green', '✔ None of the planted personal values is in any event.')
      : style('red', `✘ Planted values came through: ${result.leaked.join(', ')}.`),
  )
  say('')
  say(style('bold', `${result.alerts.length} alerts`))
  for (const alert of result.alerts) say(`  ${alertLine(alert, style)}`)
  say('')
  say(
    `${style('bold', 'Archive')} ${archiveText(config)} (encrypted; keys in ${config.secrets.kind === 'file' ? config.secrets.dir : 'Secrets Manager'})`,
  )
  printReport(result.report, printer)
  say('')
  say('Try next:')
  say(
    `  ${style('cyan', 'npx muniment query "select operation, resource, success, count(*) from audit group by all"')}`,
  )
  say(`  ${style('cyan', 'npx muniment alerts --json')}`)
  say(`  ${style('cyan', 'npm start')}   and leave it running; it tells how to wrap your own server`)
}

/** Whether the demonstration shows what it should. */
export function isDemoFine({ leaked, hasOrdinaryWord, report, alerts }: DemoResult): boolean {
  return (
    leaked.length === 0 && hasOrdinaryWord && report.ok && report.anchored !== undefined && alerts.length > 0
  )
}
