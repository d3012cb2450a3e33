import { noOptions, recorderOf } from '../attach/recorder.ts'
import { refuseDelivery, refuseGuard } from '../http/no-guard.ts'
import { createHttpRecorder, type HttpRecorder } from '../http/recorder.ts'
import type { AttachOptions } from '../options.ts'

/** How the HTTP edge of a server is recorded. */
export interface EdgeOptions extends Omit<AttachOptions, 'guard' | 'role' | 'transport'> {
  /** Only requests to this path and below are looked at, as in `/mcp`; absent = all that get here. */
  readonly path?: string
}

/** The recorder of one edge, and which requests are its business. */
export interface Edge {
  readonly recorder: HttpRecorder
  /** Whether a request to this path, with its query, is looked at. */
  readonly covers: (target: string) => boolean
}

/** Throws `CONFIG_INVALID` for options that cannot be meant. */
export function openEdge(options: EdgeOptions = noOptions): Edge {
  refuseGuard(options, 'the HTTP edge of a server')
  refuseDelivery(options, 'The HTTP edge of a server')
  const { host, settings } = recorderOf(options)
  const path = options.path?.replace(/\/$/u, '')
  return {
    recorder: createHttpRecorder(host, settings),
    covers: target => {
      if (path === undefined) return true
      const [asked = ''] = target.split('?', 1)
      return asked === path || asked.startsWith(`${path}/`)
    },
  }
}
