import { secretNames, type SecretName } from '@muniment/keys'
import { AppError } from '@muniment/schema'
import { perform } from '../acts.ts'
import type { Call } from '../command.ts'
import { openBusOf, openKeysOf, openStoreOf } from '../context.ts'
import { argument, textOption } from '../options.ts'
import { neededBy, segmentsUnder, type Dependents } from './needed-by.ts'

const maxNamed = 5

/** Throws `KEY_IN_USE` with the first few of what is found. */
async function assertNone(what: string, found: AsyncIterable<string>): Promise<void> {
  const named: string[] = []
  for await (const each of found) {
    named.push(each)
    if (named.length > maxNamed) break
  }
  if (named.length === 0) return
  const shown = named.slice(0, maxNamed).join('; ')
  throw new AppError(
    'KEY_IN_USE',
    `${what} is still needed by ${shown}${named.length > maxNamed ? '; and more' : ''}.`,
    {
      details: { needed_by: named },
    },
  )
}

/** The argument as the name of a secret. Throws `INVALID_INPUT`. */
export function secretArgument(text: string): SecretName {
  const name = secretNames.find(each => each === text)
  if (name !== undefined) return name
  throw new AppError('INVALID_INPUT', `"${text}" is no secret: ${secretNames.join(', ')}.`, {
    hint: 'For the key of a tenant, name it: --tenant acme.',
  })
}

async function retireTenant(tenant: string, generation: string, dependents: Dependents): Promise<void> {
  await assertNone(
    `Generation ${generation} of the key of tenant ${tenant}`,
    segmentsUnder(dependents, tenant, generation),
  )
  await dependents.keys.admin.tenants.retire(tenant, generation)
}

async function retireSecret(name: SecretName, id: string, dependents: Dependents): Promise<void> {
  const { admin } = dependents.keys
  await admin.checkIdle(name, id)
  await assertNone(`Generation ${id} of ${name}`, neededBy(name, id, dependents))
  await admin.retire(name, id)
}

/** Destroys one generation that nothing needs any more. */
export async function retire(call: Call): Promise<number> {
  const tenant = textOption(call.options, 'tenant')
  const id = argument(call.args, tenant === undefined ? 2 : 1, 'generation')
  const target = tenant === undefined ? secretArgument(argument(call.args, 1, 'secret')) : `tenant/${tenant}`
  const config = await call.config()
  await using context = await openKeysOf(config)
  await using store = await openStoreOf(config)
  await using bus = await openBusOf(config)
  const dependents = { keys: context.keys, store, bus, signal: call.io.signal }
  const work = async (): Promise<{ generation: string }> => {
    await (tenant === undefined
      ? retireSecret(secretArgument(target), id, dependents)
      : retireTenant(tenant, id, dependents))
    return { generation: id }
  }
  await perform(config, { name: 'keys.retire', target, details: { generation: id } }, work)
  call.printer.answer({ retired: id, of: target }, () => `destroyed  ${target} ${id}`)
  return 0
}
