import { openMessages } from '../guard/compose.ts'
import type { Guard } from '../guard/guard.ts'
import { hostOf, type Host } from '../host.ts'
import { readSettings } from '../main-env.ts'
import type { AttachOptions } from '../options.ts'
import type { Settings } from '../settings.ts'

/** Where options lead. */
export interface Recorder {
  readonly settings: Settings
  readonly host: Host
  readonly guard: Guard | undefined
}

/** Options are read once: a server over stateless HTTP attaches for every request. */
const recorders = new WeakMap<AttachOptions, Map<typeof openMessages, Recorder>>()
/** What stands for no options, so that they are read once too. */
export const noOptions: AttachOptions = {}

export function recorderOf(options: AttachOptions, open = openMessages): Recorder {
  // A server and the edge in front of it may be given the same: what each may ask of a guard differs.
  const opened = recorders.get(options) ?? new Map<typeof openMessages, Recorder>()
  const known = opened.get(open)
  if (known !== undefined) return known
  const settings = readSettings(options)
  const host = hostOf(settings)
  const guard = open(options.guard, {
    settings,
    follow: host.follow,
    lane: host.core.lane,
    recordFirst: host.core.recordFirst,
  })
  const recorder = { settings, host, guard }
  recorders.set(options, opened.set(open, recorder))
  return recorder
}
