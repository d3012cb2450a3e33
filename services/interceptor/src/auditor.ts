import { openHost } from './host.ts'
import { readSettings } from './main-env.ts'
import { targetOf } from './message.ts'
import { member } from './json.ts'
import type { AttachOptions } from './options.ts'
import type { Direction, Transport } from './record.ts'
import { snapshot } from './snapshot.ts'

/** What somebody else saw of a conversation, and told. */
export interface Told {
  /** The method that it belongs to. */
  readonly method: string
  readonly direction: Direction
  /** The message, or what was taken from it. */
  readonly payload: unknown
  /** Who is said to have called; nobody here has verified it. */
  readonly saidBy?: string | undefined
}

/** Records what others saw. */
export interface Auditor {
  readonly record: (told: Told) => void
  /** Saves what was told, within the deadline. */
  readonly close: (deadlineMs: number) => Promise<void>
}

/** Opens an auditor for what is told over one transport. Throws `CONFIG_INVALID` for options that cannot be meant. */
export function openAuditor(options: AttachOptions, transport: Transport): Auditor {
  const settings = readSettings(options)
  const host = openHost(settings)
  const { tenant, serverName } = settings
  const info = { id: host.nextChannelId(), transport, serverName, tenant }
  return {
    record: ({ method, direction, payload, saidBy }) => {
      const labels = saidBy === undefined ? {} : { client: { name: saidBy } }
      const target = targetOf(method, member(payload, 'params') ?? payload)
      const request = snapshot(payload)
      host.core.open(info, { labels }).record(direction, { kind: 'notification', method, target, request })
    },
    close: host.close,
  }
}
