import type { Principal } from '../../record.ts'
import { argumentsOf, askedOf, lists, type Use } from './asked.ts'
import type { CedarPolicies } from './cedar.ts'
import { isFoul } from './names.ts'
import type { AuthoriseOptions } from './options.ts'
import { compileNeeds, includes, roleOf, type FindAccess, type Role } from './roles.ts'

/** What is known of who asks, and from where. */
export interface Asker {
  readonly tenant: string
  readonly principal?: Principal | undefined
  readonly server?: string | undefined
  readonly address?: string | undefined
  /** What is decided of them on the control topic: `none`, `observe`, `throttle`, … */
  readonly risk: string
  readonly timeMs: number
}

export interface Ruling {
  readonly isAllowed: boolean
  /** The rule, without a name or value of the request. */
  readonly reason: string
  /** No server could know what is asked for. */
  readonly isMalformed?: true
}

/** The rules of one configuration. */
export interface Rules {
  /** `undefined` for what nobody needs a permission for. */
  readonly request: (asker: Asker, method: string, params: unknown) => Ruling | undefined
  /** Whether something may be used, with some arguments at least. */
  readonly mayUse: (asker: Asker, use: Use) => boolean
  /** Whether the answer to `tools/list` and its like shows something of that name or URI; `undefined` for other methods. */
  readonly isShown: (asker: Asker, method: string, name: string) => boolean | undefined
}

interface State {
  readonly options: AuthoriseOptions
  readonly findAccess: FindAccess | undefined
  readonly policies: (() => CedarPolicies) | undefined
}

function roleFor({ options }: State, { principal }: Asker): Role | undefined {
  return roleOf(principal, options.roles ?? {}, options.anonymous)
}

function byRole({ findAccess }: State, role: Role | undefined, use: Use): Ruling | undefined {
  if (findAccess === undefined) return undefined
  const access = findAccess(use)
  if (access === undefined)
    return { isAllowed: false, reason: `nobody may: needs names no such one of ${use.kind}` }
  const reason = `it needs ${access}, the role is ${role ?? 'none'}`
  return { isAllowed: includes(role, access), reason }
}

interface Question {
  readonly asker: Asker
  readonly use: Use
  readonly arguments?: Readonly<Record<string, unknown>>
}

function judge(state: State, { asker, use, arguments: given }: Question): Ruling {
  if (isFoul(use.name)) return { isAllowed: false, reason: 'the name could be taken for another' }
  const role = roleFor(state, asker)
  const first = byRole(state, role, use)
  if (first?.isAllowed === false || state.policies === undefined)
    return first ?? { isAllowed: false, reason: 'there is no rule' }
  const { principal, tenant, server, address, risk, timeMs } = asker
  const access = state.findAccess?.(use)
  const found = state
    .policies()
    .judge({ use, arguments: given, principal, role, access, tenant, server, address, risk, timeMs })
  return first === undefined ? found : { ...found, reason: `${first.reason}; ${found.reason}` }
}

/** Anybody with a role, and by policies as any other method. */
function asMember(state: State, asker: Asker, method: string): Ruling {
  if (state.findAccess !== undefined && roleFor(state, asker) === undefined)
    return { isAllowed: false, reason: 'the role is none' }
  if (state.policies === undefined) return { isAllowed: true, reason: 'any role may' }
  const use: Use = { kind: 'methods', name: method }
  return judge({ ...state, findAccess: undefined }, { asker, use, arguments: {} })
}

function request(
  state: State,
  asker: Asker,
  { method, params }: { method: string; params: unknown },
): Ruling | undefined {
  const asked = askedOf(method, params)
  if (asked.type === 'free' || asked.type === 'list') return undefined
  if (asked.type === 'malformed')
    return { isAllowed: false, isMalformed: true, reason: 'it does not say of what' }
  if (asked.type === 'member') return asMember(state, asker, asked.method)
  const rulings = asked.uses.map(use => judge(state, { asker, use, arguments: argumentsOf(params) }))
  return rulings.find(({ isAllowed }) => !isAllowed) ?? rulings[0]
}

/** Rules of checked options. Throws `CONFIG_INVALID` for what is contradictory. */
export function createRules(options: AuthoriseOptions, policies: (() => CedarPolicies) | undefined): Rules {
  const findAccess = options.needs === undefined ? undefined : compileNeeds(options.needs)
  const state: State = { options, findAccess, policies }
  return {
    request: (asker, method, params) => request(state, asker, { method, params }),
    mayUse: (asker, use) => judge(state, { asker, use }).isAllowed,
    isShown: (asker, method, name) => {
      const list = lists.get(method)
      return list && judge(state, { asker, use: { kind: list.kind, name } }).isAllowed
    },
  }
}
