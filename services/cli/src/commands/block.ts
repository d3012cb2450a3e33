import { AppError, decisionKey, type Decision } from '@muniment/schema'
import type { DecisionDraft } from '@muniment/keys'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { perform } from '../acts.ts'
import type { Call, CliCommand } from '../command.ts'
import { decide, readControl, withControl, type ControlContext, type Reading } from '../control.ts'
import { decisionLine } from '../decision-line.ts'
import { argument, life, numberOption, textOption } from '../options.ts'

const scopes = ['principal', 'tool', 'server', 'client', 'tenant'] as const
const actions = ['block', 'throttle', 'require_approval', 'observe'] as const
const hourMs = 3_600_000

type Target = Pick<Decision, 'scope' | 'value' | 'tenant'>

function perMinute(text: string): number {
  const rate = Number(text)
  if (!(rate > 0 && rate <= 1e6)) throw new InvalidArgumentError('Write how many calls a minute may pass.')
  return rate
}

function targetOf({ args, options }: Call): Target {
  const name = argument(args, 0, 'scope')
  const scope = scopes.find(each => each === name)
  if (scope === undefined)
    throw new AppError('INVALID_INPUT', `"${name}" is not something to decide about: ${scopes.join(', ')}.`)
  const tenant = textOption(options, 'tenant')
  return { scope, value: argument(args, 1, 'value'), ...(tenant !== undefined && { tenant }) }
}

function aim(command: Command): Command {
  return command
    .argument('<scope>', scopes.join(', '))
    .argument('<value>', 'principal, tool (name or server/name), server, client or tenant')
    .option('--tenant <name>', 'only calls of this tenant; default of every tenant')
    .option('--reason <text>', 'why; kept with the decision and with every call that it stops')
}

function reasonOf({ options }: Call): string {
  const reason = textOption(options, 'reason')
  if (reason !== undefined && reason.trim() !== '' && reason.length <= 1024) return reason
  throw new AppError('INVALID_INPUT', 'Say why, in up to 1024 characters: --reason "…".', {
    hint: 'The reason is archived with the decision and with every call that it stops.',
  })
}

/** Decides, in the record of administrative acts too. */
async function decideOnRecord(
  context: ControlContext,
  reading: Reading,
  draft: DecisionDraft,
): Promise<Decision> {
  const { action, reason } = draft
  const act = { name: 'control.decide', target: decisionKey(draft), details: { action, reason } }
  return await perform(context.config, act, async () => decide(context, reading, draft))
}

function answer({ printer }: Call, decision: Decision): void {
  printer.answer(decision, () => decisionLine(decision, printer.style))
}

/** Decides what guards do about a principal, tool, server, client or tenant. */
export const blockCommand: CliCommand = {
  name: 'block',
  summary: 'Stop calls of a principal, or to a tool or server, for a while',
  help: `Guards act within half a second: servers run under \`muniment wrap --enforce\`, or attached with enforceDecisions(). Without a guard nothing is stopped.
Every decision is signed, archived, and ends by itself. Callers without a verified principal are \`anonymous\`, or \`label:NAME\` by what they call themselves.`,
  examples: [
    [
      'muniment block principal alice --reason "key leaked" --for 2h',
      'refuse what alice asks, of any server',
    ],
    ['muniment block tool files/delete --reason "under review" --for 7d', 'one tool of one server'],
    [
      'muniment block client crawler --action throttle --rate 30 --reason "too eager" --for 1h',
      'at most 30 calls a minute and process',
    ],
  ],
  configure: command => {
    aim(command)
      .option('--for <duration>', 'how long, such as 30m, 2h or 7d (default 1h)', life)
      .addOption(new Option('--action <name>', 'what guards do').choices(actions).default('block'))
      .option('--rate <count>', 'with throttle: calls a minute', perMinute)
  },
  run: async call => {
    const target = targetOf(call)
    const reason = reasonOf(call)
    const action = actions.find(each => each === call.options['action']) ?? 'block'
    const rate = numberOption(call.options, 'rate')
    if ((action === 'throttle') !== (rate !== undefined))
      throw new AppError('INVALID_INPUT', '--rate goes with --action throttle, and the other way round.')
    const lifeMs = numberOption(call.options, 'for') ?? hourMs
    const draft = { ...target, action, reason, lifeMs, ...(rate !== undefined && { rate_per_minute: rate }) }
    return withControl(await call.config(), async context => {
      const { signal } = call.io
      const view = await readControl(context, signal)
      answer(call, await decideOnRecord(context, { view, signal }, draft))
      return 0
    })
  },
}

/** What in force an operator means, who may not have named the tenant. */
function meant(decisions: readonly Decision[], target: Target): Decision | undefined {
  const { scope, value, tenant } = target
  const found = decisions.filter(
    each =>
      each.scope === scope &&
      each.value === value &&
      (tenant === undefined || each.tenant === tenant) &&
      each.action !== 'observe',
  )
  if (found.length < 2) return found[0]
  const tenants = found.map(each => each.tenant ?? 'every tenant').join(', ')
  throw new AppError('INVALID_INPUT', `${decisionKey(target)} is decided about more than once: ${tenants}.`, {
    hint: 'Say which with --tenant.',
  })
}

/** Ends a decision before its time. */
export const unblockCommand: CliCommand = {
  name: 'unblock',
  summary: 'End a decision before its time',
  help: 'Rules decide nothing new about the same value until the decision that was lifted would have ended.',
  examples: [['muniment unblock principal alice --reason "key replaced"', 'let alice call again']],
  configure: command => void aim(command),
  run: async call => {
    const target = targetOf(call)
    const reason = reasonOf(call)
    return withControl(await call.config(), async context => {
      const { signal } = call.io
      const view = await readControl(context, signal)
      const found = meant(view.list(), target)
      if (found === undefined) {
        call.printer.say(`Nothing is in force about ${decisionKey(target)}.`)
        return 1
      }
      const { scope, value, tenant, expires } = found
      // Not shorter than what it lifts, which could be sent again until then.
      const lifeMs = Math.max(Date.parse(expires) - Date.now(), hourMs)
      const draft = {
        scope,
        value,
        action: 'observe',
        reason,
        lifeMs,
        ...(tenant !== undefined && { tenant }),
      } as const
      answer(call, await decideOnRecord(context, { view, signal }, draft))
      return 0
    })
  },
}

/** Lists what is in force. */
export const decisionsCommand: CliCommand = {
  name: 'decisions',
  summary: 'Show what guards are told to do, and what rules would have done',
  help: 'Ended decisions are in the archive: muniment query --view control. A rule in shadow mode decides `observe` and says what it `would` do.',
  examples: [
    ['muniment decisions', 'what is in force'],
    ['muniment decisions --json | jq .value', 'for programs'],
  ],
  run: async call => {
    const { io, printer } = call
    return withControl(await call.config(), async context => {
      const decisions = (await readControl(context, io.signal)).list()
      for (const decision of decisions) answer(call, decision)
      if (decisions.length === 0) printer.say('No decisions are in force.')
      return 0
    })
  },
}
