import { isMembers, member, textMember } from '../../json.ts'

/** What there is to be used. */
export const kinds = ['tools', 'prompts', 'resources', 'methods'] as const
export type Kind = (typeof kinds)[number]

/** One thing that a request would use: a tool or prompt by name, a resource by its URI, anything else by its method. */
export interface Use {
  readonly kind: Kind
  readonly name: string
}

/** What a request asks for. */
export type Asked =
  /** Nobody needs a permission for it. */
  | { readonly type: 'free' }
  | { readonly type: 'list'; readonly list: List }
  | { readonly type: 'use'; readonly uses: readonly Use[] }
  /** For everybody who may use anything at all. */
  | { readonly type: 'member'; readonly method: string }
  | { readonly type: 'malformed' }

/** Where a list stands in its result, and what names its items. */
export interface List {
  readonly kind: Kind
  readonly member: 'tools' | 'prompts' | 'resources' | 'resourceTemplates'
  readonly key: 'name' | 'uri' | 'uriTemplate'
}

export const lists: ReadonlyMap<string, List> = new Map<string, List>([
  ['tools/list', { kind: 'tools', member: 'tools', key: 'name' }],
  ['prompts/list', { kind: 'prompts', member: 'prompts', key: 'name' }],
  ['resources/list', { kind: 'resources', member: 'resources', key: 'uri' }],
  ['resources/templates/list', { kind: 'resources', member: 'resourceTemplates', key: 'uriTemplate' }],
])

const targets: ReadonlyMap<string, readonly [Kind, string]> = new Map([
  ['tools/call', ['tools', 'name']],
  ['prompts/get', ['prompts', 'name']],
  ['resources/read', ['resources', 'uri']],
  ['resources/subscribe', ['resources', 'uri']],
  ['resources/unsubscribe', ['resources', 'uri']],
] as const)

/** Without these a client cannot even be told what is wrong with its calls. */
const freeMethods = new Set(['initialize', 'ping', 'server/discover'])
const memberMethod = /^(?:logging\/setLevel|tasks\/[a-z]+)$/u
const mostSubscriptions = 1000

const malformed: Asked = { type: 'malformed' }

function useOf(kind: Kind, name: string | undefined): Asked {
  return name === undefined ? malformed : { type: 'use', uses: [{ kind, name }] }
}

/** Completing the arguments of a prompt or template tells of it, so it takes what using it takes. */
function completion(params: unknown): Asked {
  const ref = member(params, 'ref')
  const type = textMember(ref, 'type')
  if (type === 'ref/prompt') return useOf('prompts', textMember(ref, 'name'))
  return type === 'ref/resource' ? useOf('resources', textMember(ref, 'uri')) : malformed
}

function subscriptions(params: unknown, method: string): Asked {
  const uris = member(member(params, 'notifications'), 'resourceSubscriptions') ?? []
  if (!Array.isArray(uris) || uris.length > mostSubscriptions) return malformed
  const names = uris.filter(uri => typeof uri === 'string')
  if (names.length !== uris.length) return malformed
  if (names.length === 0) return { type: 'member', method }
  return { type: 'use', uses: names.map(name => ({ kind: 'resources', name })) }
}

/** What a request asks for, by its method and parameters. */
export function askedOf(method: string, params: unknown): Asked {
  if (freeMethods.has(method)) return { type: 'free' }
  const list = lists.get(method)
  if (list !== undefined) return { type: 'list', list }
  const target = targets.get(method)
  // Nothing is told of no resource; what a server says of such a request is its own.
  if (method.endsWith('subscribe') && member(params, 'uri') === undefined) return useOf('methods', method)
  if (target !== undefined) return useOf(target[0], textMember(params, target[1]))
  if (method === 'completion/complete') return completion(params)
  if (method === 'subscriptions/listen') return subscriptions(params, method)
  return memberMethod.test(method) ? { type: 'member', method } : useOf('methods', method)
}

/** The arguments of a call, where it has some. */
export function argumentsOf(params: unknown): Readonly<Record<string, unknown>> {
  const given = member(params, 'arguments')
  return isMembers(given) ? given : {}
}
