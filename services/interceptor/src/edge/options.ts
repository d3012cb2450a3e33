import { noOptions, recorderOf } from '../attach/recorder.ts'
import type { RecordFirst } from '../record.ts'
import { openDoors } from '../guard/compose.ts'
import type { Guard } from '../guard/guard.ts'
import { createHttpRecorder, type HttpRecorder } from '../http/recorder.ts'
import type { AttachOptions } from '../options.ts'
import type { Settings } from '../settings.ts'

/** How the HTTP edge of a server is recorded. */
export interface EdgeOptions extends Omit<AttachOptions, 'role' | 'transport'> {
  /** Only requests to this path and below are looked at, as in `/mcp`; absent = all that get here. */
  readonly path?: string
}

/** The recorder of one edge, and which requests are its business. */
export interface Edge {
  readonly recorder: HttpRecorder
  readonly recordFirst: RecordFirst
  /** Who is asked before the server's code runs; of messages only that they are recorded first. */
  readonly guard: Guard | undefined
  readonly settings: Settings
  /** What everybody may read about the guarded server, as JSON; also outside of `path`. */
  readonly document: (method: string, target: string) => string | undefined
  /** Whether a request to this path, with its query, is looked at. */
  readonly covers: (target: string) => boolean
}

/** Throws `CONFIG_INVALID` for options that cannot be meant. */
export function openEdge(options: EdgeOptions = noOptions): Edge {
  const { host, settings, guard } = recorderOf(options, openDoors)
  const path = options.path?.replace(/\/$/u, '')
  return {
    recorder: createHttpRecorder(host, settings),
    recordFirst: host.core.recordFirst,
    guard,
    settings,
    document: (method, target) => {
      const found = method === 'GET' ? guard?.document?.(target.split('?', 1)[0] ?? '') : undefined
      return found && JSON.stringify(found)
    },
    covers: target => {
      if (path === undefined) return true
      const [asked = ''] = target.split('?', 1)
      return asked === path || asked.startsWith(`${path}/`)
    },
  }
}
