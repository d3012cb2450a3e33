import { AppError, eventSchema, type MunimentEvent } from '@muniment/schema'
import type { Backtest, Explanation, RulePack } from '@muniment/detector'
import type { Call, CliCommand } from '../command.ts'
import { maxRows, openEngineOf } from '../engine.ts'
import { argument, durationMs, numberOption, textOption } from '../options.ts'
import { safe } from '../print.ts'
import { unrecorded } from '../reads.ts'
import { rulesFolders } from '../rules-folders.ts'
import { toolLabelsOf } from '../tool-labels.ts'
import { tableLines } from '../table.ts'

const day = 86_400_000

async function packOf(call: Call): Promise<RulePack> {
  const { loadRules } = await import('@muniment/detector')
  return loadRules(...rulesFolders(await call.config()))
}

const levels = ['', 'informational', 'low', 'medium', 'high', 'critical']

function kindOf({ behaviour, correlation }: RulePack['rules'][number]): string {
  return correlation?.type ?? behaviour ?? 'event'
}

async function list(call: Call): Promise<number> {
  const { printer } = call
  const pack = await packOf(call)
  if (printer.isJson) {
    for (const rule of pack.rules) {
      const { name, id, title, severity, version, tags } = rule
      printer.answer(
        { name, id, title, level: levels[severity], looks_at: kindOf(rule), version, tags },
        () => '',
      )
    }
    return 0
  }
  const rows = pack.rules.map(rule => [
    rule.name,
    levels[rule.severity] ?? '',
    kindOf(rule),
    safe(rule.title),
  ])
  for (const line of tableLines(['rule', 'level', 'looks at', 'title'], rows)) printer.out(line)
  printer.say(`${pack.rules.length} rules, digest ${pack.digest}`)
  return 0
}

async function test(call: Call): Promise<number> {
  const { testRules } = await import('@muniment/detector')
  const pack = await packOf(call)
  const failed = testRules(pack)
  for (const { rule, expected, example } of failed)
    call.printer.answer({ rule, expected, example }, () => {
      const what = expected === 'must_fire' ? 'stays silent on' : 'fires on'
      return safe(`${rule} ${what} ${JSON.stringify(example).slice(0, 200)}`)
    })
  const untested = pack.rules.filter(({ mustFire }) => mustFire.length === 0).map(({ name }) => name)
  if (untested.length > 0) call.printer.say(`Without tests: ${untested.join(', ')}`)
  call.printer.say(`${pack.rules.length} rules, ${failed.length} tests failed`)
  return failed.length === 0 ? 0 : 1
}

async function* pastEvents(call: Call, sinceMs: number): AsyncGenerator<MunimentEvent> {
  const tenant = textOption(call.options, 'tenant')
  await using open = await openEngineOf(await call.config(), {
    withTail: true,
    onUnrecorded: unrecorded(call.printer),
  })
  await using result = await open.engine.query({
    sql: `select raw from events where time >= TIMESTAMPTZ '${new Date(sinceMs).toISOString()}' order by time, source_instance, source_epoch, source_seq`,
    limit: maxRows,
    tail: true,
    signal: call.io.signal,
    ...(tenant !== undefined && { tenants: [tenant] }),
  })
  for await (const [raw] of result.rows) {
    const event = typeof raw === 'string' ? eventSchema.safeParse(JSON.parse(raw)) : undefined
    if (event?.success === true) yield event.data
  }
  if (result.figures().isTruncated)
    call.printer.say(`Only the oldest ${maxRows} events were tried: shorten --since.`)
}

function shownGroups(line: Backtest['rules'][number]): string {
  return line.topGroups.map(({ group, count }) => `${group} ×${count}`).join(', ')
}

async function backtest(call: Call): Promise<number> {
  const { backtestRules } = await import('@muniment/detector')
  const { printer, options } = call
  const wanted = textOption(options, 'rule')
  const pack = await packOf(call)
  if (wanted !== undefined && !pack.byName.has(wanted)) throw noRule(wanted)
  printer.progress('Reading the archive …')
  const sinceMs = Date.now() - (numberOption(options, 'since') ?? 7 * day)
  const found = await backtestRules(pack, pastEvents(call, sinceMs), await toolLabelsOf(await call.config()))
  printer.progress('')
  const lines = found.rules.filter(({ rule, matches }) =>
    wanted === undefined ? matches > 0 : rule === wanted,
  )
  if (printer.isJson) for (const line of lines) printer.answer(line, () => '')
  else {
    const rows = lines.map(line => [
      line.rule,
      line.matches,
      line.notifications,
      line.groups,
      safe(shownGroups(line)),
    ])
    for (const line of tableLines(['rule', 'matches', 'notifications', 'groups', 'most of them'], rows))
      printer.out(line)
  }
  const costly = found.putAside === 0 ? '' : `, ${found.putAside} would have been put aside`
  printer.say(`${found.events} events since ${new Date(sinceMs).toISOString()}${costly}`)
  return 0
}

function noRule(name: string): AppError {
  return new AppError('NOT_FOUND', `There is no rule ${name}.`, { hint: '`muniment rules list` names them.' })
}

function explanationLines(found: Explanation): readonly string[] {
  const { rule, title, version, isMatch, isAboutEvents, fields, findings } = found
  const verdict = isMatch ? 'matches' : 'does not match'
  return [
    `${rule} (${title}, version ${version}) ${isAboutEvents ? verdict : 'looks at many events, not at one'}`,
    ...findings.map(
      ({ kind, score, path, span }) =>
        `  content.${kind} is ${score.toFixed(2)} at ${path}, characters ${span[0]}–${span[1]}`,
    ),
    ...Object.entries(fields).map(([field, value]) => `  ${field} is ${String(value)}`),
  ]
}

async function explain(call: Call): Promise<number> {
  const { explainRule } = await import('@muniment/detector')
  const [name, id] = [argument(call.args, 1, 'rule'), argument(call.args, 2, 'event')]
  const pack = await packOf(call)
  await using open = await openEngineOf(await call.config(), {
    withTail: true,
    onUnrecorded: unrecorded(call.printer),
  })
  const tenant = textOption(call.options, 'tenant')
  const shown = await open.engine.show(id, {
    signal: call.io.signal,
    ...(tenant !== undefined && { tenants: [tenant] }),
  })
  const event = eventSchema.safeParse(shown === undefined ? undefined : JSON.parse(shown.raw.toString()))
  if (!event.success) throw new AppError('NOT_FOUND', `There is no event ${id}.`)
  const found = explainRule(pack, name, event.data)
  if (found === undefined) throw noRule(name)
  call.printer.answer(found, () => explanationLines(found).map(safe).join('\n'))
  return found.isMatch ? 0 : 1
}

const actions: Readonly<Record<string, (call: Call) => Promise<number>>> = { list, test, backtest, explain }

/** Shows rules, runs their tests, and tries them on the past. */
export const rulesCommand: CliCommand = {
  name: 'rules',
  summary: 'List detection rules, test them, and try them on past events',
  help: `Rules are Sigma 2.1 files: the shipped ones, and those in the folder that MUNIMENT_RULES names. test runs the tests that rules carry.
backtest runs all rules over the archive and what is not archived yet: nothing is published. Keep a new rule in a folder of its own, backtest with
MUNIMENT_RULES set to it, then move it to the folder that the detector reads; it is taken over within seconds.`,
  examples: [
    ['muniment rules list', 'the rules in force'],
    ['muniment rules test', 'run the tests of the rules; exit code 1 if one fails'],
    ['MUNIMENT_RULES=./new muniment rules backtest --since 7d', 'what they would have found in a week'],
    [
      'muniment rules explain sql-injection 01a1fd6e-3a59-72f4-a250-f9a7a24357e4',
      'why it fires on an event, or not',
    ],
  ],
  configure: command => {
    command
      .argument('<action>', Object.keys(actions).join(', '))
      .argument('[rule]', 'explain: name or id of a rule')
      .argument('[event]', 'explain: id of an event')
      .option('--since <duration>', 'backtest: not older than, as in 12h, 7d (default 7d)', durationMs)
      .option('--rule <name>', 'backtest: only this rule')
      .option('--tenant <name>', 'only this tenant')
  },
  run: async call => {
    const name = argument(call.args, 0, 'action')
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined
    if (action === undefined)
      throw new AppError(
        'INVALID_INPUT',
        `There is no action ${JSON.stringify(name)}: write list, test, backtest or explain.`,
      )
    return await action(call)
  },
}
