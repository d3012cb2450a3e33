import { createHolds, type Subject } from '@muniment/keys'
import type { Config } from '@muniment/runtime'
import { adminTenant, AppError } from '@muniment/schema'
import { perform } from '../acts.ts'
import type { Call, CliCommand } from '../command.ts'
import { openKeysOf, type KeyContext } from '../context.ts'
import { subjectOption } from '../erasure/subject.ts'
import { flag, textOption } from '../options.ts'

interface Erasing {
  readonly call: Call
  readonly config: Config
  readonly context: KeyContext
  readonly tenant: string
}

function assertMeant({ call, tenant }: Erasing, what: string): void {
  if (tenant === adminTenant)
    throw new AppError('INVALID_INPUT', `${adminTenant} holds the receipts of erasures and cannot be erased.`)
  if (flag(call.options, 'yes')) return
  throw new AppError('INVALID_INPUT', `${what} That cannot be undone: add --yes if you mean it.`)
}

function details({ call }: Erasing): Readonly<Record<string, string>> {
  const reason = textOption(call.options, 'reason')
  return reason === undefined ? {} : { reason }
}

async function eraseTenant(erasing: Erasing): Promise<number> {
  const { call, config, context, tenant } = erasing
  const { state, keys } = context
  const found = await keys.admin.tenants.list(tenant)
  assertMeant(
    erasing,
    `This destroys ${found.length} keys of tenant ${tenant}: nothing of it can be read again.`,
  )
  const work = async (): Promise<{ generations: readonly string[]; vault_rows: number }> => {
    await createHolds(state).assertNone({ tenant })
    const generations = await keys.admin.tenants.destroy(tenant)
    return { generations, vault_rows: await keys.vault.eraseTenant(tenant) }
  }
  const act = { name: 'erase.tenant', target: tenant, details: details(erasing) }
  const erased = await perform(config, act, work)
  if (erased.generations.length + erased.vault_rows === 0)
    throw new AppError('NOT_FOUND', `Tenant ${tenant} has no key and no row in the token vault.`)
  call.printer.answer(
    { erased: tenant, ...erased },
    () =>
      `erased  tenant ${tenant}: ${erased.generations.length} keys, ${erased.vault_rows} rows of the token vault`,
  )
  const seconds = config.keys.cacheTtlMs / 1000
  call.printer.say(
    `Running processes forget the keys within ${seconds} s. Masked events on the bus stay until they expire there.`,
  )
  call.printer.say(
    'Backups of the state still hold the wrapped keys: rotate root, rewrap and retire the old root to end them.',
  )
  return 0
}

async function eraseSubject(erasing: Erasing, subject: Subject): Promise<number> {
  const { call, config, context, tenant } = erasing
  const { state, keys } = context
  const token = await keys.vault.find(tenant, subject)
  if (token === undefined)
    throw new AppError('NOT_FOUND', `The token vault of tenant ${tenant} has no such person.`, {
      hint: 'Only kinds that the policy vaults have rows; keyed tokens are erased with their key.',
    })
  assertMeant(erasing, `This makes the token ${token} nobody's, everywhere.`)
  const work = async (): Promise<{ tokens: readonly string[] }> => {
    await createHolds(state).assertNone({ tenant, person: token })
    return { tokens: await keys.vault.erase(tenant, subject) }
  }
  // The receipt names the token, never the person.
  const act = {
    name: 'erase.subject',
    target: token,
    details: { tenant, kind: subject.kind, ...details(erasing) },
  }
  const { tokens } = await perform(config, act, work)
  call.printer.answer(
    { erased: tokens, tenant, kind: subject.kind },
    () => `erased  ${subject.kind} ${tokens.join(', ')}`,
  )
  return 0
}

/** Erases a tenant, or a person, from an archive that nobody can change. */
export const eraseCommand: CliCommand = {
  name: 'erase',
  summary: 'Erase a tenant, or a person, by destroying what makes their records readable',
  help: `--tenant alone destroys the tenant's keys: its records stay where they are, proven and unreadable for ever, and verify says so. With --subject, the
person's row in the token vault is removed: records stay readable, and the token in them is nobody's. Receipts are events of the archive. A legal hold
(muniment hold) blocks both.`,
  examples: [
    ['muniment erase --tenant acme --reason "contract ended" --yes', 'off-board a tenant'],
    [
      'muniment erase --subject EMAIL:ada@example.com --yes',
      'forget a person of the tenant of this configuration',
    ],
    [
      'echo EMAIL:ada@example.com | muniment erase --subject - --yes',
      'the same, without leaving the address in a shell',
    ],
  ],
  configure: command => {
    command
      .option('--tenant <name>', 'the tenant; with --subject default that of the configuration')
      .option('--subject <kind:value>', 'a person of the tenant; - reads it from standard input')
      .option('--reason <text>', 'goes into the receipt')
      .option('--yes', 'yes, for ever')
  },
  run: async call => {
    const config = await call.config()
    const subject = await subjectOption(call)
    const named = textOption(call.options, 'tenant')
    if (named === undefined && subject === undefined)
      throw new AppError('INVALID_INPUT', 'Say what to erase: --tenant, or --subject.')
    await using context = await openKeysOf(config)
    const erasing = { call, config, context, tenant: named ?? config.interceptor.tenant }
    return await (subject === undefined ? eraseTenant(erasing) : eraseSubject(erasing, subject))
  },
}
