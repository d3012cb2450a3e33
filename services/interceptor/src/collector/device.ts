import { AppError } from '@muniment/schema'

// A device owns the lanes that begin with its name. The collector needs no memory of that, so it holds whichever of the two was restarted.

const nameForm = /^[a-z0-9][a-z0-9-]{0,62}$/u
/** Never part of a name, so that no name is the beginning of another's lane. */
const end = '.'

/** The name as it was given. Throws `CONFIG_INVALID` for what no device can be called. */
export function checkedDevice(name: string): string {
  if (nameForm.test(name)) return name
  throw new AppError('CONFIG_INVALID', `${JSON.stringify(name.slice(0, 80))} is no name of a device.`, {
    hint: 'Use up to 63 lower-case letters, digits and dashes, as `muniment keys device add` was given.',
  })
}

/** A name for a producer on a device, from one that no other has. */
export function instanceOn(device: string, unique: string): string {
  return `${device}${end}${unique}`
}

/** Whether a lane is one of the device's own. */
export function ownsLane(device: string, lane: string): boolean {
  return lane.startsWith(`${device}${end}`)
}
