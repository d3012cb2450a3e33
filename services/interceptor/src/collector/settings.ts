import { AppError } from '@muniment/schema'
import { fileOf } from '../kafka-settings.ts'
import type { AttachOptions } from '../options.ts'
import type { DeviceSettings } from './way.ts'
import { checkedDevice } from './device.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Whether a bus is a collector, named without credentials. */
export function isCollector(bus: string): boolean {
  return bus.startsWith('https://') && URL.canParse(bus) && new URL(bus).username === ''
}

function textOf(environment: Environment, name: string): string | undefined {
  const text = environment[name]
  return text === '' ? undefined : text
}

function pemOf(environment: Environment, name: string): string | undefined {
  const path = textOf(environment, name)
  return path === undefined ? undefined : fileOf(name, path)
}

function fromEnvironment(environment: Environment): DeviceSettings {
  return {
    name: environment['MUNIMENT_DEVICE'] ?? '',
    key: textOf(environment, 'MUNIMENT_DEVICE_KEY') ?? pemOf(environment, 'MUNIMENT_DEVICE_KEY_FILE')?.trim(),
    ca: pemOf(environment, 'MUNIMENT_DEVICE_CA_FILE'),
    cert: pemOf(environment, 'MUNIMENT_DEVICE_TLS_CERT'),
    certKey: pemOf(environment, 'MUNIMENT_DEVICE_TLS_KEY'),
  }
}

/** Certificates and the like are read once, not for every connection that is observed. */
const known = new Map<string, DeviceSettings>()

function knownOf(bus: string, environment: Environment): DeviceSettings {
  const found = known.get(bus) ?? fromEnvironment(environment)
  known.set(bus, found)
  return found
}

/** Who this machine is to a collector; `undefined` for another bus. Throws `CONFIG_INVALID` where nothing could prove it. */
export function deviceOf(
  bus: string,
  options: Pick<AttachOptions, 'device'>,
  environment: Environment,
): DeviceSettings | undefined {
  if (!isCollector(bus)) return undefined
  const device = options.device ?? knownOf(bus, environment)
  checkedDevice(device.name)
  if (device.key !== undefined || (device.cert !== undefined && device.certKey !== undefined)) return device
  throw new AppError('CONFIG_INVALID', 'Nothing proves to the collector who this machine is.', {
    hint: 'Set MUNIMENT_DEVICE_KEY to what `muniment keys device add` printed, or MUNIMENT_DEVICE_TLS_CERT and MUNIMENT_DEVICE_TLS_KEY.',
  })
}
