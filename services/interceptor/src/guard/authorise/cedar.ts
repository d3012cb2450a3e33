import { isIP } from 'node:net'
import type { Principal } from '../../record.ts'
import { recordOf, shapeOf, type CedarValue, type Shape } from './arguments.ts'
import type { Kind, Use } from './asked.ts'
import { denied, openEngine, type CedarEngine, type CedarVerdict, type PolicyTexts } from './cedar-engine.ts'
import type { Access, Role } from './roles.ts'
import { namespace, toolAction } from './schema.ts'

/** Everything that policies may know of one request. */
interface CedarRequest {
  readonly use: Use
  /** Absent where a list asks whether something may be used at all. */
  readonly arguments?: Readonly<Record<string, unknown>> | undefined
  readonly principal: Principal | undefined
  readonly role: Role | undefined
  readonly access: Access | undefined
  readonly tenant: string
  readonly server: string | undefined
  readonly address: string | undefined
  readonly risk: string
  readonly timeMs: number
}

export interface CedarPolicies {
  readonly judge: (request: CedarRequest) => CedarVerdict
}

const resourceTypes: Readonly<Record<Kind, string>> = {
  tools: 'Tool',
  prompts: 'Prompt',
  resources: 'Resource',
  methods: 'Method',
}
const actions: Readonly<Record<Kind, string>> = {
  tools: 'tools/call',
  prompts: 'prompts/get',
  resources: 'resources/read',
  methods: 'other',
}

function uid(type: string, id: string): { readonly type: string; readonly id: string } {
  return { type: `${namespace}::${type}`, id }
}

/** A role with those below it, which it includes. */
const rolesWithin: Readonly<Record<Role, readonly Role[]>> = {
  viewer: ['viewer'],
  editor: ['editor', 'viewer'],
  admin: ['admin', 'editor', 'viewer'],
}

/** Somebody of one issuer is nobody of another. `undefined` for an id that could be taken for another issuer's. */
function principalUid(principal: Principal | undefined): ReturnType<typeof uid> | undefined {
  if (principal === undefined) return uid('Anonymous', '')
  const { id, issuer } = principal
  if (issuer === undefined) return id.includes('|') ? undefined : uid('Principal', id)
  return issuer.includes('|') ? undefined : uid('Principal', `${issuer}|${id}`)
}

function principalEntity(self: ReturnType<typeof uid>, { principal, role }: CedarRequest): object {
  const { id = '', method = 'none', scopes = [], issuer, client_id: clientId } = principal ?? {}
  return {
    uid: self,
    attrs: {
      id,
      method,
      scopes,
      ...(issuer !== undefined && { issuer }),
      ...(clientId !== undefined && { clientId }),
    },
    // All at once: each entity costs the engine tens of microseconds, and a role has nothing but its name.
    parents: role === undefined ? [] : rolesWithin[role].map(one => uid('Role', one)),
  }
}

function timeOf(timeMs: number): Record<string, number> {
  const at = new Date(timeMs)
  // ISO: Monday is 1.
  return { hour: at.getUTCHours(), minute: at.getUTCMinutes(), weekday: at.getUTCDay() || 7 }
}

function addressOf(address: string | undefined): string | undefined {
  const plain = address?.replace(/^::ffff:(?=\d+\.)/iu, '').replace(/%.*$/u, '')
  return plain !== undefined && isIP(plain) !== 0 ? plain : undefined
}

const noShape: Shape = { names: [], count: 0, depth: 0, characters: 0 }

interface Known {
  readonly shape: Shape
  readonly values: Record<string, CedarValue> | undefined
}

/** No more than policies look at, so that what differs in the rest is the same question. */
function contextOf({ reads }: CedarEngine, request: CedarRequest, { shape, values }: Known): object {
  const address = addressOf(request.address)
  return {
    tenant: request.tenant,
    risk: request.risk,
    ...(reads.time && { time: timeOf(request.timeMs) }),
    ...(address !== undefined && { address: { __extn: { fn: 'ip', arg: address } } }),
    ...(reads.arguments && { shape, ...(values !== undefined && { arguments: values }) }),
  }
}

interface Prepared {
  readonly engine: CedarEngine
  readonly tools: PolicyTexts['tools']
}

/** What a call does in Cedar's words: tools whose arguments are known have an action of their own. */
interface Doing {
  readonly action: ReturnType<typeof uid>
  readonly parents: readonly ReturnType<typeof uid>[]
  readonly values?: Record<string, CedarValue> | undefined
}

/** `undefined` where arguments do not fit what the tool declares. */
function doingOf({ tools }: Prepared, { use, arguments: given }: CedarRequest): Doing | undefined {
  const declared = use.kind === 'tools' ? tools.get(use.name) : undefined
  if (declared === undefined) return { action: uid('Action', actions[use.kind]), parents: [] }
  const doing = { action: uid('Action', toolAction(use.name)), parents: [uid('Action', actions.tools)] }
  if (given === undefined) return doing
  const values = recordOf(given, declared)
  return values && { ...doing, values }
}

function resourceEntity(self: ReturnType<typeof uid>, { use, access, server = '' }: CedarRequest): object {
  const attrs = { name: use.name, ...(access !== undefined && { access }) }
  return { uid: self, attrs, parents: [uid('Server', server)] }
}

function judge(prepared: Prepared, request: CedarRequest): CedarVerdict {
  const { use, arguments: given } = request
  const principal = principalUid(request.principal)
  const shape = given === undefined ? noShape : shapeOf(given)
  if (principal === undefined || shape === undefined)
    return denied('who asks or what is asked cannot be told apart from others')
  const doing = doingOf(prepared, request)
  if (doing === undefined) return denied('the arguments do not fit what the tool declares')
  const { action, parents, values } = doing
  const resource = uid(resourceTypes[use.kind], use.name)
  const entities = [
    principalEntity(principal, request),
    ...(parents.length === 0 ? [] : [{ uid: action, attrs: {}, parents }]),
    resourceEntity(resource, request),
  ]
  const call = {
    principal,
    action,
    resource,
    context: contextOf(prepared.engine, request, { shape, values }),
    entities,
  }
  return prepared.engine.ask(call, given === undefined)
}

/** Reads and validates policies. Throws `CONFIG_INVALID`, naming the policy, for what cannot be used. */
export function openCedar(texts: PolicyTexts): CedarPolicies {
  const prepared = { engine: openEngine(texts), tools: texts.tools }
  return { judge: request => judge(prepared, request) }
}
