import { inspectSecrets, openSecrets, type SecretStatus } from '@muniment/keys'
import type { Call } from '../command.ts'
import { openKeysOf } from '../context.ts'
import { safe } from '../print.ts'

type Usable = SecretStatus & { readonly isUsable: true }
type Generation = Usable['generations'][number] & { readonly state: 'pending' | 'active' | 'former' }

function withStates({ generations }: Usable, nowMs: number): readonly Generation[] {
  const active = generations.findLast(({ activeFromMs }) => activeFromMs <= nowMs) ?? generations[0]
  return generations.map(each => {
    if (each === active) return { ...each, state: 'active' }
    return { ...each, state: each.activeFromMs > nowMs ? 'pending' : 'former' }
  })
}

function instant(ms: number): string {
  return ms === 0 ? 'unknown' : new Date(ms).toISOString().slice(0, 19)
}

function printSecret({ printer }: Call, status: SecretStatus): void {
  if (!status.isUsable) {
    const { name, code, problem } = status
    printer.answer({ secret: name, code, problem }, () => `${name.padEnd(8)} ${code}  ${safe(problem)}`)
    return
  }
  for (const { id, activeFromMs, state } of withStates(status, Date.now()))
    printer.answer(
      { secret: status.name, generation: id, state, active_from: new Date(activeFromMs).toISOString() },
      () => `${status.name.padEnd(8)} ${id.padEnd(12)} ${state.padEnd(8)} from ${instant(activeFromMs)}`,
    )
}

/** Which generations there are of every secret and of every tenant's key; never a key. */
export async function showStatus(call: Call): Promise<number> {
  const config = await call.config()
  for (const status of await inspectSecrets(await openSecrets(config.secrets))) printSecret(call, status)
  await using context = await openKeysOf(config)
  for (const each of await context.keys.admin.tenants.list()) {
    const { tenant, generation, root, madeMs, isNewest } = each
    call.printer.answer(
      {
        tenant,
        generation,
        root,
        made: madeMs === 0 ? null : new Date(madeMs).toISOString(),
        is_newest: isNewest,
      },
      () =>
        `tenant ${safe(tenant)}  ${generation.padEnd(12)} ${isNewest ? 'active' : 'former'}  made ${instant(madeMs)}, wrapped by root ${root}`,
    )
  }
  return 0
}
