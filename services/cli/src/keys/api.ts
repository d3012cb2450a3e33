import { randomBytes } from 'node:crypto'
import {
  apiKeyId,
  createApiKeyAdmin,
  endAllSessions,
  openAuthFiles,
  openAuthState,
  type ApiKeyAdmin,
  type ApiKeyInfo,
  type AuthShelves,
} from '@muniment/auth'
import { maxLifeMs } from '@muniment/keys/control'
import type { Config } from '@muniment/runtime'
import { AppError } from '@muniment/schema'
import { openState } from '@muniment/state'
import { perform } from '../acts.ts'
import type { Call } from '../command.ts'
import { decide, readControl, withControl } from '../control.ts'
import { argument, numberOption, textOption, textOptions } from '../options.ts'
import { safe } from '../print.ts'

/** On one machine files of the home folder, which guards on Node 20 can read too; else the state that all machines share. */
async function withShelves<T>(config: Config, use: (shelves: AuthShelves) => Promise<T>): Promise<T> {
  if (config.state.kind === 'file') return await use(openAuthFiles(config.home))
  await using state = await openState(config.state)
  return await use(openAuthState(state))
}

async function withAdmin<T>(config: Config, use: (admin: ApiKeyAdmin) => Promise<T>): Promise<T> {
  return await withShelves(
    config,
    async shelves => await use(createApiKeyAdmin({ ...shelves, now: Date.now, randomBytes })),
  )
}

function instant(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}

/** As it is printed and recorded: nothing in it opens anything. */
function shown(info: ApiKeyInfo): Record<string, unknown> {
  return {
    id: info.id,
    name: info.name,
    tenant: info.tenant,
    scopes: info.scopes,
    state: info.state,
    created: instant(info.createdMs),
    expires: instant(info.expiresMs),
    revoked: instant(info.revokedMs),
    last_used: instant(info.lastUsedMs),
  }
}

function day(ms: number | undefined): string {
  return instant(ms)?.slice(0, 10) ?? 'never'
}

function line({ id, name, tenant, scopes, state, expiresMs, lastUsedMs }: ApiKeyInfo): string {
  const what = `${id}  ${state.padEnd(7)}  ${safe(name).padEnd(20)}  ${tenant.padEnd(10)}`
  return `${what}  expires ${day(expiresMs).padEnd(10)}  used ${day(lastUsedMs).padEnd(10)}  ${scopes.join(' ')}`.trimEnd()
}

async function create(call: Call): Promise<number> {
  const config = await call.config()
  const name = argument(call.args, 2, 'name')
  const lifeMs = numberOption(call.options, 'expires')
  const grant = {
    name,
    tenant: textOption(call.options, 'tenant') ?? config.interceptor.tenant,
    scopes: textOptions(call.options, 'scope'),
    ...(lifeMs !== undefined && { expires_ms: Date.now() + lifeMs }),
  }
  let key = ''
  const info = await perform(config, { name: 'keys.api.create', target: name }, async () =>
    withAdmin(config, async admin => {
      const made = await admin.create(grant)
      key = made.key
      return shown(made.info)
    }),
  )
  call.printer.answer({ ...info, key }, () => key)
  call.printer.say('This is the only time that the key is shown: keep it where secrets are kept.')
  if (lifeMs === undefined) call.printer.say('It never expires; give --expires 90d for one that does.')
  return 0
}

async function list({ config, printer }: Call): Promise<number> {
  const keys = await withAdmin(await config(), async admin => await admin.list())
  for (const info of keys) printer.answer(shown(info), () => line(info))
  if (keys.length === 0) printer.say('There are no API keys; `muniment keys api create NAME` makes one.')
  return 0
}

async function revoke(call: Call): Promise<number> {
  const config = await call.config()
  const id = apiKeyId(argument(call.args, 2, 'id'))
  if (id === undefined)
    throw new AppError('INVALID_INPUT', 'This is not the id of an API key.', {
      hint: 'Give the 16 characters after mun_; `muniment keys api list` shows all ids.',
    })
  const work = async (): Promise<Record<string, unknown>> =>
    withAdmin(config, async admin => shown(await admin.revoke(id)))
  const info = await perform(config, { name: 'keys.api.revoke', target: id }, work)
  call.printer.answer(info, () => `revoked  ${id}  ${safe(String(info['name']))}`)
  call.printer.say('Guards that know it refuse it within 5 seconds.')
  return 0
}

const actions: Readonly<Record<string, (call: Call) => Promise<number>>> = { create, list, revoke }

/** Creates, lists and revokes the keys with which programs call guarded servers. */
export async function administerApiKeys(call: Call): Promise<number> {
  const name = argument(call.args, 1, 'create|list|revoke')
  const action = actions[name]
  if (action !== undefined) return await action(call)
  throw new AppError('INVALID_INPUT', `"${name}" is not something keys api does: create, list, revoke.`)
}

/** Tells every proxy whose sessions have ids of its own; those that cannot hear it now do when they can. */
async function announceEnd(config: Config, signal: AbortSignal): Promise<void> {
  await withControl(config, async context => {
    const view = await readControl(context, signal)
    const reason = 'muniment keys end-sessions'
    await decide(
      context,
      { view, signal },
      { scope: 'sessions', value: '*', action: 'end', reason, lifeMs: maxLifeMs },
    )
  })
}

/** Ends every session that guards have bound to a caller, or know by ids of their own. */
export async function endSessions(call: Call): Promise<number> {
  const config = await call.config()
  const nowMs = Date.now()
  const before = new Date(nowMs).toISOString()
  await perform(config, { name: 'sessions.end' }, async () => {
    await withShelves(config, async ({ ended }) => await endAllSessions(ended, nowMs))
    await announceEnd(config, call.io.signal)
    return { before }
  })
  call.printer.answer({ ended_before: before }, () => `ended  every session begun before ${before}`)
  call.printer.say('Guards refuse them within 5 seconds; clients begin new ones by themselves.')
  return 0
}
