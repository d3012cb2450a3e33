import { systemClock } from '../clock.ts'
import type { Host } from '../host.ts'
import { createOffPath } from '../off-path.ts'
import type { Settings } from '../settings.ts'
import { createBudget } from './content.ts'
import type { Labels } from '../record.ts'
import { createExchange, type HttpExchange } from './exchange.ts'
import { createSessions, sessionOf } from './sessions.ts'
import type { HttpHead, Shared } from './state.ts'

/** Records the HTTP exchanges of one door. */
export interface HttpRecorder {
  readonly begin: (head: HttpHead) => HttpExchange
  /** What both sides said about themselves in the session that a request belongs to. */
  readonly labels: (head: Pick<HttpHead, 'header' | 'target'>) => Labels
  /** The channel of the session that a request belongs to, else one of its own. */
  readonly channelId: (head: Pick<HttpHead, 'header' | 'target'>) => string
  /** Works through what was told and ends the sessions. */
  readonly close: () => void
}

/** Bodies under way of all exchanges of a door. */
const maxKeptBytes = 128 * 1024 * 1024

export function createHttpRecorder(host: Host, settings: Settings): HttpRecorder {
  const { tenant, serverName, onProblem } = settings
  const path = createOffPath(onProblem)
  const sessions = createSessions(systemClock.monotonicMs)
  const shared: Shared = {
    path,
    sessions,
    budget: createBudget(maxKeptBytes),
    open: (transport, id = host.nextChannelId()) => host.core.open({ id, transport, serverName, tenant }),
  }
  return {
    begin: head => createExchange(shared, head),
    channelId: head => {
      path.now()
      return sessionOf(sessions, head)?.channel.info.id ?? host.nextChannelId()
    },
    labels: head => sessionOf(sessions, head)?.channel.labels() ?? {},
    close: () => {
      path.now()
      sessions.endAll()
    },
  }
}
