import type { Alert, MunimentEvent } from '@muniment/schema'
import { safe, type Style } from './print.ts'

/** How records look to a person. */

type Outcome = NonNullable<MunimentEvent['outcome']>

const outcomeColour: Readonly<Record<Outcome, Parameters<Style>[0]>> = {
  ok: 'green',
  tool_error: 'yellow',
  rpc_error: 'red',
  denied: 'red',
  cancelled: 'dim',
  unanswered: 'yellow',
  input_required: 'cyan',
  task: 'cyan',
}

/** Time of day of an ISO instant, in the zone of the terminal. */
function clockTime(iso: string): string {
  const time = new Date(iso)
  return Number.isNaN(time.getTime()) ? iso : time.toTimeString().slice(0, 8)
}

/** Bytes as a person reads them. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 'B'
  for (const next of units) {
    if (value < 1000) break
    value /= 1000
    unit = next
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`
}

function kindsText(event: MunimentEvent): string {
  const counts = new Map<string, number>()
  for (const { type, count, action } of event.pii.findings)
    if (action !== 'keep') counts.set(type, (counts.get(type) ?? 0) + count)
  return [...counts].map(([type, count]) => (count > 1 ? `${type}×${count}` : type)).join(' ')
}

function subject(event: MunimentEvent): string {
  const what = event.gap
    ? `${event.gap.count} events missing: ${event.gap.reason}`
    : (event.lane?.state ?? '')
  return [event.method ?? event.kind, event.target, what]
    .filter(part => part !== undefined && part !== '')
    .join(' ')
}

function caller({ principal, client }: MunimentEvent): string {
  return principal?.id ?? client?.name ?? '–'
}

/** One line about an event: time, outcome, duration, who, what, which personal data was masked. */
export function eventLine(event: MunimentEvent, style: Style): string {
  const outcome = event.outcome ?? event.kind
  const colour = event.outcome === undefined ? 'dim' : outcomeColour[event.outcome]
  const duration = event.duration_ms === undefined ? '' : `${event.duration_ms.toFixed(1)} ms`
  const kinds = kindsText(event)
  return [
    style('dim', clockTime(event.time)),
    style(colour, outcome.padEnd(11)),
    duration.padStart(9),
    safe(event.server?.name ?? '').padEnd(14),
    safe(caller(event)).padEnd(16),
    safe(subject(event)),
    kinds === '' ? '' : style('cyan', `[masked ${kinds}]`),
  ].join(' ')
}

const severities = ['unknown', 'info', 'low', 'medium', 'high', 'critical', 'fatal']

/** What happened, in a sentence that need not begin with the rule's title again. */
function explanation({ message, finding_info: { title } }: Alert): string {
  return message.startsWith(`${title}: `) ? message.slice(title.length + 2) : message
}

/** One line about an alert: time, severity, rule, explanation. */
export function alertLine(alert: Alert, style: Style): string {
  const severity = severities[alert.severity_id] ?? 'other'
  const colour = alert.severity_id >= 4 ? 'red' : 'yellow'
  return [
    style('dim', clockTime(new Date(alert.time).toISOString())),
    style(colour, severity.padEnd(8)),
    style('bold', safe(alert.finding_info.title)),
    safe(explanation(alert)),
    style('dim', alert.metadata.uid),
  ].join('  ')
}
