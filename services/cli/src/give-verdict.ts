import { alertSchema, AppError, topic, type Alert } from '@muniment/schema'
import type { Bus } from '@muniment/bus'
import { perform } from './acts.ts'
import type { Call } from './command.ts'
import { openBusOf, openKeysOf } from './context.ts'
import { argument, numberOption, textOption } from './options.ts'
import { safe } from './print.ts'
import { keepVerdict, ruleStats, verdictOn, type Verdict } from './verdicts.ts'

const maxReason = 1024

async function findAlert(bus: Bus, uid: string, signal: AbortSignal): Promise<Alert> {
  for await (const { value } of bus.read({ topic: topic.alerts, untilEnd: true, signal })) {
    const text = Buffer.from(value).toString()
    // Most are others: only what names the uid is read in full.
    const alert = text.includes(uid) ? alertSchema.safeParse(JSON.parse(text)).data : undefined
    if (alert?.metadata.uid === uid) return alert
  }
  throw new AppError('NOT_FOUND', `There is no alert ${uid.slice(0, 80)} on the bus.`, {
    hint: 'Alerts stay there for thirty days; `muniment alerts` shows their ids at the end of each line.',
  })
}

function reasonOf({ options }: Call): string {
  const reason = textOption(options, 'reason')
  if (reason !== undefined && reason.trim() !== '' && reason.length <= maxReason) return reason
  throw new AppError('INVALID_INPUT', `Say why, in up to ${maxReason} characters: --reason "…".`)
}

/** Keeps what a person thinks of an alert, in the record of administrative acts too. */
export async function giveVerdict(call: Call, verdict: Verdict['verdict']): Promise<number> {
  const uid = argument(call.args, 1, 'uid')
  const reason = reasonOf(call)
  const lifeMs = numberOption(call.options, 'except')
  if (lifeMs !== undefined && verdict === 'ack')
    throw new AppError('INVALID_INPUT', '--except goes with false-positive: what was right is not held back.')
  const config = await call.config()
  await using bus = await openBusOf(config)
  await using context = await openKeysOf(config)
  const alert = await findAlert(bus, uid, call.io.signal)
  const timeMs = Date.now()
  const except = lifeMs === undefined ? {} : { exceptUntilMs: timeMs + lifeMs }
  const said = verdictOn(alert, { verdict, reason, timeMs, ...except })
  const { rule, dedupKey } = said
  await perform(
    config,
    { name: `alerts.${verdict}`, target: uid, details: { rule, reason, ...except } },
    async () => {
      await keepVerdict(context.state, said)
      return {}
    },
  )
  const until =
    said.exceptUntilMs === undefined
      ? ''
      : `; nothing more of ${safe(dedupKey)} until ${new Date(said.exceptUntilMs).toISOString()}`
  call.printer.answer(said, () => `${verdict.replace('_', ' ')}: ${uid} of rule ${safe(rule)}${until}`)
  return 0
}

/** Shows how each rule has fared with people. */
export async function showStats(call: Call): Promise<number> {
  await using context = await openKeysOf(await call.config())
  const stats = await ruleStats(context.state)
  for (const each of stats)
    call.printer.answer(each, () => {
      const { rule, acked, falsePositives, precision } = each
      const share = `${Math.round(precision * 100)} %`.padStart(6)
      return `${share}  ${safe(rule)}  ${acked} right, ${falsePositives} false`
    })
  if (stats.length === 0)
    call.printer.say('No verdicts yet: muniment alerts ack ID, muniment alerts false-positive ID.')
  return 0
}
