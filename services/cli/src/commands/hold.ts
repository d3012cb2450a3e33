import { userInfo } from 'node:os'
import { createHolds, type Hold } from '@muniment/keys'
import { AppError } from '@muniment/schema'
import { perform } from '../acts.ts'
import type { Call, CliCommand } from '../command.ts'
import { openKeysOf, type KeyContext } from '../context.ts'
import { subjectOption } from '../erasure/subject.ts'
import { argument, textOption } from '../options.ts'
import { safe } from '../print.ts'

type Held = Pick<Hold, 'tenant' | 'person'>

/** What the options name; a person without a row in the vault gets one, so that the hold has a name that says nothing. */
async function heldBy(call: Call, { keys }: KeyContext): Promise<Held> {
  const tenant = textOption(call.options, 'tenant') ?? (await call.config()).interceptor.tenant
  const subject = await subjectOption(call)
  if (subject === undefined) return { tenant }
  const [person] = await keys.vault.tokens(tenant, [subject])
  return person === undefined ? { tenant } : { tenant, person }
}

function nameOf({ tenant, person }: Held): string {
  return person === undefined ? `tenant ${tenant}` : `tenant ${tenant}, person ${person}`
}

async function set(call: Call, context: KeyContext): Promise<number> {
  const reason = textOption(call.options, 'reason')
  if (reason === undefined) throw new AppError('INVALID_INPUT', 'Say why: --reason "case 17".')
  const held = await heldBy(call, context)
  const hold: Hold = { ...held, reason, by: userInfo().username, sinceMs: Date.now() }
  const work = async (): Promise<{ is_new: boolean }> => ({
    is_new: await createHolds(context.state).set(hold),
  })
  const act = { name: 'hold.set', target: nameOf(held), details: { reason } }
  const { is_new: isNew } = await perform(await call.config(), act, work)
  call.printer.answer({ held, is_new: isNew }, () => `${isNew ? 'held   ' : 'already'}  ${nameOf(held)}`)
  return 0
}

async function release(call: Call, context: KeyContext): Promise<number> {
  const held = await heldBy(call, context)
  const work = async (): Promise<object> => {
    if (await createHolds(context.state).release(held)) return {}
    throw new AppError('NOT_FOUND', `There is no hold on ${nameOf(held)}.`)
  }
  await perform(await call.config(), { name: 'hold.release', target: nameOf(held) }, work)
  call.printer.answer({ released: held }, () => `released  ${nameOf(held)}`)
  return 0
}

async function list({ options, printer }: Call, { state }: KeyContext): Promise<number> {
  const holds = await createHolds(state).list(textOption(options, 'tenant'))
  for (const hold of holds) {
    const since = new Date(hold.sinceMs).toISOString()
    printer.answer(
      { tenant: hold.tenant, person: hold.person ?? null, reason: hold.reason, by: hold.by, since },
      () => `${nameOf(hold)}  since ${since.slice(0, 19)} by ${safe(hold.by)}: ${safe(hold.reason)}`,
    )
  }
  if (holds.length === 0) printer.say('Nothing is on hold.')
  return 0
}

const actions: Readonly<Record<string, (call: Call, context: KeyContext) => Promise<number>>> = {
  set,
  release,
  list,
}

/** Legal holds: what may not be erased. */
export const holdCommand: CliCommand = {
  name: 'hold',
  summary: 'Keep a tenant or a person from being erased, for a legal reason',
  help: 'While a hold is on a tenant, neither it nor anybody in it can be erased; a hold on a person blocks the person and the whole tenant. Setting and releasing are events of the archive.',
  examples: [
    ['muniment hold set --tenant acme --reason "case 17"', 'nothing of the tenant may be erased'],
    ['muniment hold set --tenant acme --subject EMAIL:ada@example.com --reason "case 17"', 'nor this person'],
    ['muniment hold list', 'what is on hold, since when and why'],
    ['muniment hold release --tenant acme', 'the hold ends'],
  ],
  configure: command => {
    command
      .argument('<action>', 'set, release or list')
      .option('--tenant <name>', 'the tenant; default that of the configuration, for list all')
      .option('--subject <kind:value>', 'a person of the tenant; - reads it from standard input')
      .option('--reason <text>', 'why, for whoever wants to erase')
  },
  run: async call => {
    const name = argument(call.args, 0, 'action')
    const action = actions[name]
    if (action === undefined)
      throw new AppError('INVALID_INPUT', `"${name}" is not something hold does: set, release or list.`)
    await using context = await openKeysOf(await call.config())
    return await action(call, context)
  },
}
