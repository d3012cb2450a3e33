import { createSessions, openAuthFiles, openAuthState, type Sessions, type Shelf } from '@muniment/auth'
import type { GuardPart } from '@muniment/interceptor/guard'
import type { ProxyOptions } from '@muniment/interceptor/proxy'
import { readSection, type Config } from '@muniment/runtime'
import { openState } from '@muniment/state'

/** Addresses under which clients call what stands behind a proxy. */
function resourcesOf({
  publicOrigin,
  host = '127.0.0.1',
  port = 0,
  tls,
  routes,
}: ProxyOptions): readonly string[] {
  const own = `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`
  return routes.map(({ path, upstream }) => `${publicOrigin ?? own}${path ?? upstream.pathname}`)
}

/** Who a session belongs to. Where the part `sessions` stands, how long one holds is for that part alone to say. */
async function sessionsOf({ sections: { guard } }: Config, ended: Shelf): Promise<Sessions> {
  const now = Date.now
  if (guard === undefined) return createSessions({ now, ended })
  const { hasSessionsIn } = await import('./guard-section.ts')
  const times = hasSessionsIn(guard) ? { idleMs: Infinity, absoluteMs: Infinity } : {}
  return createSessions({ now, ended, ...times })
}

/** What lets in whom the section `auth` names; nothing where there is none. Rejects with `CONFIG_INVALID`. */
export async function authenticationOf(config: Config, proxy: ProxyOptions): Promise<readonly GuardPart[]> {
  const section = config.sections.auth
  if (section === undefined) return []
  const { authSectionSchema, openAuthenticator } = await import('@muniment/auth/section')
  const { authenticate } = await import('@muniment/interceptor/guard')
  const shelves =
    config.state.kind === 'file' ? openAuthFiles(config.home) : openAuthState(await openState(config.state))
  const authenticator = await openAuthenticator(readSection(section, authSectionSchema), {
    shelves,
    tenant: config.interceptor.tenant,
    resources: resourcesOf(proxy),
    now: Date.now,
  })
  return [authenticate(authenticator, { sessions: await sessionsOf(config, shelves.ended) })]
}
