import type { Exchange, Failure, Label, Labels } from './record.ts'
import { isMembers, member, textMember, type Members } from './json.ts'

/** What a request says about itself; references only, so that it costs the same for every size. */
export interface RequestFacts {
  readonly method: string
  readonly target?: string | undefined
  readonly taskId?: string | undefined
  readonly meta?: unknown
  readonly stateIn?: string | undefined
  /** Self-reported in `initialize`. */
  readonly client?: Label | undefined
}

/** What a response says about itself. */
export interface ResultFacts {
  readonly outcome: Exchange['outcome']
  readonly failure?: Failure
  readonly itemCount?: number | undefined
  readonly taskId?: string | undefined
  readonly stateOut?: string | undefined
  readonly labels?: Labels
}

const targetMember: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'resources/subscribe': 'uri',
  'resources/unsubscribe': 'uri',
  'tasks/get': 'taskId',
  'tasks/result': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}

/** Name and version that one side gave itself. */
export function labelOf(value: unknown): Label | undefined {
  const name = textMember(value, 'name')
  if (name === undefined) return undefined
  const version = textMember(value, 'version')
  return version === undefined ? { name: clip(name) } : { name: clip(name), version: clip(version) }
}

const metaName = 'io.modelcontextprotocol/'

/** The client that a request of the modern era names in its `_meta`. */
export function labelInMeta(meta: unknown): Label | undefined {
  return labelOf(member(meta, `${metaName}clientInfo`))
}

const maxText = 4096

/** Envelope texts are bounded; the whole value is in the body. */
export function clip(text: string): string {
  return text.length <= maxText ? text : text.slice(0, maxText)
}

/** What a request is about: a tool, prompt, resource or task. */
export function targetOf(method: string, params: unknown): string | undefined {
  const name = targetMember[method]
  if (name !== undefined) return textMember(params, name)
  if (method !== 'completion/complete') return undefined
  const ref = member(params, 'ref')
  return textMember(ref, 'name') ?? textMember(ref, 'uri')
}

export function describeRequest(method: string, message: Members): RequestFacts {
  const params = message['params']
  const target = targetOf(method, params)
  return {
    method,
    target,
    taskId: method.startsWith('tasks/') ? target : textMember(params, 'taskId'),
    meta: member(params, '_meta'),
    stateIn: textMember(params, 'requestState'),
    client: method === 'initialize' ? labelOf(member(params, 'clientInfo')) : undefined,
  }
}

/** The id that `notifications/cancelled` is about. */
export function cancelledId(method: string, message: Members): unknown {
  return method === 'notifications/cancelled' ? member(message['params'], 'requestId') : undefined
}

const listMembers = [
  'content',
  'tools',
  'resources',
  'prompts',
  'contents',
  'messages',
  'resourceTemplates',
] as const

function itemCountOf(result: Members): number | undefined {
  for (const name of listMembers) {
    const list = result[name]
    if (Array.isArray(list)) return list.length
  }
  return undefined
}

function failureOf(error: unknown): Failure {
  const code = member(error, 'code')
  return typeof code === 'number' || typeof code === 'string'
    ? { code: typeof code === 'string' ? clip(code) : code, type: clip(String(code)) }
    : { type: 'invalid_error' }
}

function outcomeOf(result: Members): Exchange['outcome'] {
  const resultType = result['resultType']
  if (resultType === 'input_required') return 'input_required'
  if (resultType === 'task' || isMembers(result['task'])) return 'task'
  return result['isError'] === true ? 'tool_error' : 'ok'
}

/** What `initialize` and `server/discover` settle for the whole channel. */
function labelsOf(method: string, result: Members): Labels | undefined {
  if (method !== 'initialize' && method !== 'server/discover') return undefined
  const server =
    labelOf(result['serverInfo']) ?? labelOf(member(result['_meta'], 'io.modelcontextprotocol/serverInfo'))
  const protocolVersion = textMember(result, 'protocolVersion')
  return {
    ...(server === undefined ? {} : { server }),
    ...(protocolVersion === undefined ? {} : { protocolVersion: clip(protocolVersion) }),
  }
}

export function describeResponse(method: string, message: Members): ResultFacts {
  const error = message['error']
  if (error !== undefined) return { outcome: 'rpc_error', failure: failureOf(error) }
  const result = message['result']
  if (!isMembers(result)) return { outcome: 'ok' }
  const outcome = outcomeOf(result)
  const labels = labelsOf(method, result)
  return {
    outcome,
    itemCount: itemCountOf(result),
    taskId:
      outcome === 'task' ? (textMember(result, 'taskId') ?? textMember(result['task'], 'taskId')) : undefined,
    stateOut: outcome === 'input_required' ? textMember(result, 'requestState') : undefined,
    ...(outcome === 'tool_error' ? { failure: { type: 'tool_error' } } : {}),
    ...(labels === undefined ? {} : { labels }),
  }
}
