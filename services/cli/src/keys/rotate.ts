import { setTimeout as sleep } from 'node:timers/promises'
import type { Rotation, SecretName } from '@muniment/keys'
import { perform } from '../acts.ts'
import type { Call } from '../command.ts'
import { openBusOf, openKeysOf } from '../context.ts'
import { publishIngestKey } from '../ingest-key.ts'
import { argument, flag, textOption } from '../options.ts'
import { announceIngestKey, type Announcement } from './announce.ts'
import { secretArgument } from './retire.ts'

/** What a person does once the new generation is active. */
const next: Partial<Record<SecretName, string>> = {
  root: 'muniment keys rewrap, so that no tenant key needs the old one',
  masking: 'muniment keys rewrap, so that no row of the token vault needs the old one',
  ingest: 'muniment keys announce, so that interceptors seal to it',
}

async function rotateTenant(call: Call, tenant: string): Promise<number> {
  const config = await call.config()
  await using context = await openKeysOf(config)
  const { tenants } = context.keys.admin
  const work = async (): Promise<{ generation: string }> => ({ generation: await tenants.rotate(tenant) })
  const { generation } = await perform(config, { name: 'keys.rotate', target: `tenant/${tenant}` }, work)
  call.printer.answer({ tenant, generation }, () => `tenant ${tenant}  ${generation}`)
  call.printer.say(
    `New segments are written with it within ${config.keys.cacheTtlMs / 1000} s; old ones stay as they are.`,
  )
  return 0
}

async function waitFor({ activeFromMs }: Rotation, { io, printer }: Call): Promise<void> {
  for (let leftMs = activeFromMs - Date.now(); leftMs > 0; leftMs = activeFromMs - Date.now()) {
    printer.progress(`Active in ${Math.ceil(leftMs / 1000)} s …`)
    await sleep(Math.min(leftMs, 1000), undefined, { signal: io.signal })
  }
  printer.progress('')
}

/** Adds a generation to a secret, or to the key of a tenant. */
export async function rotate(call: Call): Promise<number> {
  const tenant = textOption(call.options, 'tenant')
  if (tenant !== undefined) return await rotateTenant(call, tenant)
  const name = secretArgument(argument(call.args, 1, 'secret'))
  const config = await call.config()
  await using context = await openKeysOf(config)
  const work = async (): Promise<Rotation> => {
    await context.keys.require([name])
    return await context.keys.admin.rotate(name)
  }
  const rotation = await perform(config, { name: 'keys.rotate', target: name }, work)
  const active = new Date(rotation.activeFromMs).toISOString()
  call.printer.answer(
    { secret: name, generation: rotation.id, active_from: active, is_new: rotation.isNew },
    () => `${rotation.isNew ? 'added  ' : 'waiting'}  ${name} ${rotation.id}, active from ${active}`,
  )
  if (flag(call.options, 'wait')) {
    await waitFor(rotation, call)
    if (name === 'ingest') return await announce(call)
    if (name === 'root' || name === 'masking') return await rewrap(call)
  } else if (next[name] !== undefined) call.printer.say(`Then run: ${next[name]}.`)
  return 0
}

/** Tells interceptors, on the bus and on this machine, which key to seal to. */
export async function announce(call: Call): Promise<number> {
  const config = await call.config()
  await using context = await openKeysOf(config)
  await using bus = await openBusOf(config)
  if (config.bus.kind === 'embedded') await bus.createTopics()
  const work = async (): Promise<Announcement> =>
    await announceIngestKey({ config, bus, keys: context.keys }, call.io.signal)
  const told = await perform(config, { name: 'keys.announce', target: 'ingest' }, work)
  await publishIngestKey(config)
  call.printer.answer(
    { ingest_key: told.publicKey, version: told.version, is_new: told.isNew },
    () => `${told.isNew ? 'announced' : 'known    '}  ${told.publicKey}`,
  )
  call.printer.say(
    'Announce again every few weeks, for interceptors that start later: an announcement holds for 31 days.',
  )
  return 0
}

/** Wraps all tenant keys under the current root, and all rows of the token vault under the current masking secret. */
export async function rewrap(call: Call): Promise<number> {
  const config = await call.config()
  await using context = await openKeysOf(config)
  const { admin, vault } = context.keys
  const work = async (): Promise<{ tenant_keys: number; vault_rows: number }> => ({
    tenant_keys: await admin.tenants.rewrap(),
    vault_rows: await vault.rewrap(),
  })
  const result = await perform(config, { name: 'keys.rewrap' }, work)
  call.printer.answer(
    result,
    () => `wrapped anew  ${result.tenant_keys} tenant keys, ${result.vault_rows} rows of the token vault`,
  )
  return 0
}
