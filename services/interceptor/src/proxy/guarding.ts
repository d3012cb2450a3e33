import { needMasking, openGuards } from '../guard/compose.ts'
import type { GuardPart } from '../guard/guard.ts'
import type { Host } from '../host.ts'
import { createBudget } from '../http/content.ts'
import type { HttpRecorder } from '../http/recorder.ts'
import { readSettings } from '../main-env.ts'
import type { Settings } from '../settings.ts'
import { createConversations, type Conversations } from './conversations.ts'
import type { Guarding } from './flow.ts'
import type { ProxyOptions } from './options.ts'
import type { Route } from './route.ts'

/** Who judges what goes to which upstream. */
export interface Guardings {
  readonly guardingOf: (route: Route | undefined) => Guarding | undefined
}

interface Parts {
  readonly settings: Settings
  readonly host: Host
  readonly routes: readonly Route[]
  readonly recorders: ReadonlyMap<Route, HttpRecorder>
}

/** Bodies under way that wait for a verdict may hold together. */
const maxJudgedBytes = 256 * 1024 * 1024

type OpenGuards = ReturnType<typeof openGuards>

function openShared(
  guard: GuardPart | readonly GuardPart[] | undefined,
  { settings, host }: Parts,
): OpenGuards {
  needMasking(settings, guard)
  const { follow, core } = host
  return openGuards(guard, { settings, follow, lane: core.lane, recordFirst: core.recordFirst })
}

function deliveryOf(options: ProxyOptions, { settings }: Parts, { delivery }: Route): Settings['delivery'] {
  return delivery === undefined ? settings.delivery : readSettings({ ...options, delivery }).delivery
}

type Shared = Omit<Guarding, 'guard'>

function sharedBy({ settings, host, routes, recorders }: Parts): Shared {
  const { tenant, onProblem } = settings
  const conversations = new Map<Route, Conversations>()
  for (const route of routes) conversations.set(route, createConversations())
  return {
    tenant,
    onProblem,
    nextChannelId: host.nextChannelId,
    budget: createBudget(maxJudgedBytes),
    conversations: route => conversations.get(route) ?? createConversations(),
    labels: ({ route, target }, header) => recorders.get(route)?.labels({ target, header }) ?? {},
    serverName: route => route.serverName ?? settings.serverName,
  }
}

function openEach(options: ProxyOptions, parts: Parts): Guardings {
  const guardFor = openShared(options.guard, parts)
  const shared = sharedBy(parts)
  const guarding = (delivery: Settings['delivery']): Guarding | undefined => {
    const guard = guardFor(delivery)
    return guard && { ...shared, guard }
  }
  const each = new Map(parts.routes.map(route => [route, guarding(deliveryOf(options, parts, route))]))
  return { guardingOf: route => route && each.get(route) }
}

/** Opens the parts of the guard once for all routes; what each must have recorded first is its own. Throws `CONFIG_INVALID`. */
export function openGuarding(options: ProxyOptions, parts: Parts): Guardings {
  try {
    return openEach(options, parts)
  } catch (error) {
    void parts.host.close(0)
    throw error
  }
}
