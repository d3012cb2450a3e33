import { randomBytes } from 'node:crypto'
import { AppError } from '@muniment/schema'
import { perform } from '../acts.ts'
import { checkedName, openDevices, type Devices } from '../collector/devices.ts'
import type { Call } from '../command.ts'
import { openKeysOf } from '../context.ts'
import { argument } from '../options.ts'

async function add(call: Call, devices: Devices): Promise<number> {
  // Before the act is recorded, for nothing is done then.
  const name = checkedName(argument(call.args, 2, 'name'))
  let key = ''
  await perform(await call.config(), { name: 'keys.device.add', target: name }, async () => {
    const made = await devices.add(name)
    key = made.key
    return { id: made.id }
  })
  call.printer.say('The device needs these two and MUNIMENT_BUS=https://…; the key is shown this once:')
  call.printer.answer({ device: name, key }, () => `MUNIMENT_DEVICE=${name}\nMUNIMENT_DEVICE_KEY=${key}`)
  return 0
}

function instant(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString().slice(0, 19)
}

async function list(call: Call, devices: Devices): Promise<number> {
  for (const { id, name, state, createdMs, revokedMs, lastUsedMs } of await devices.list()) {
    const [made, revoked, used] = [createdMs, revokedMs, lastUsedMs].map(instant)
    call.printer.answer(
      { device: name, id, state, made, revoked, last_used: used },
      () => `${name.padEnd(24)} ${id}  ${state.padEnd(8)} made ${made}, last used ${used ?? 'never'}`,
    )
  }
  return 0
}

async function revoke(call: Call, devices: Devices): Promise<number> {
  const name = argument(call.args, 2, 'name')
  const work = async (): Promise<{ ids: readonly string[] }> => ({ ids: await devices.revoke(name) })
  const { ids } = await perform(await call.config(), { name: 'keys.device.revoke', target: name }, work)
  call.printer.answer({ revoked: name, ids }, () => `revoked  ${name}: ${ids.length} keys`)
  call.printer.say('Collectors refuse it within seconds; what it has already sent stays.')
  return 0
}

const actions: Readonly<Record<string, (call: Call, devices: Devices) => Promise<number>>> = {
  add,
  list,
  revoke,
}

/** Enrols devices at the collector, shows and revokes them. */
export async function device(call: Call): Promise<number> {
  const name = argument(call.args, 1, 'add, list or revoke')
  const action = actions[name]
  if (action === undefined)
    throw new AppError(
      'INVALID_INPUT',
      `"${name}" is nothing that keys device does: ${Object.keys(actions).join(', ')}.`,
    )
  await using context = await openKeysOf(await call.config())
  return await action(call, openDevices({ state: context.state, now: Date.now, randomBytes }))
}
