import { ProtocolError } from '@modelcontextprotocol/server'
import type { Auditor } from '@muniment/interceptor/auditor'
import type { Masker } from '@muniment/pii'
import { auditor, concerns, interceptors, masker, type Interceptor, type Phase } from './catalogue.ts'

/** What interceptors do their work with. */
export interface Tools {
  readonly masker: Masker
  readonly auditor: Auditor
  readonly nowMs: () => number
}

/** What is asked of one of them. */
export interface Invocation {
  readonly name: string
  readonly event: string
  readonly phase: Phase
  readonly payload?: unknown
  readonly config?: unknown
  readonly timeoutMs?: number | undefined
  readonly context?: { readonly principal?: { readonly id?: string | undefined } | undefined } | undefined
}

type Result = Readonly<Record<string, unknown>>

const invalidParams = -32_602
const failed = -32_603
const timedOut = -32_000
/** Longer ones would hold up everybody's. */
const maxPayloadLength = 16 * 1024 * 1024

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function found(name: string, event: string): Interceptor {
  const interceptor = interceptors.find(each => each.name === name)
  if (interceptor === undefined) throw new ProtocolError(invalidParams, 'There is no such interceptor.')
  if (concerns(interceptor, event)) return interceptor
  throw new ProtocolError(invalidParams, `${name} is not for this event.`)
}

/** Who gives a configuration would believe that it is followed. */
function refuseConfig({ config }: Invocation): void {
  if (config === undefined || config === null || (isObject(config) && Object.keys(config).length === 0))
    return
  throw new ProtocolError(invalidParams, 'It takes no configuration: what is masked stands in muniment.yaml.')
}

/** What a message is sent by must not change: the call would go elsewhere. */
function keepAddress(before: unknown, after: unknown): unknown {
  if (!isObject(before) || !isObject(after)) return after
  const { method, params } = before
  const kept = method === undefined ? after : { ...after, method }
  if (!isObject(params) || typeof params['name'] !== 'string' || !isObject(after['params'])) return kept
  return { ...kept, params: { ...after['params'], name: params['name'] } }
}

function textOf({ payload = null }: Invocation): string {
  const text = JSON.stringify(payload)
  if (text.length <= maxPayloadLength) return text
  throw new ProtocolError(failed, 'The payload is too large to be masked.', { interceptor: masker.name })
}

function maskPayload({ masker: { mask } }: Tools, invocation: Invocation): Result {
  const before = textOf(invocation)
  const { text, findings, version } = mask(before)
  const after = text === before ? invocation.payload : keepAddress(invocation.payload, JSON.parse(text))
  const masked = findings.map(({ type, path, count, action }) => ({ type, path, count, action }))
  return {
    modified: JSON.stringify(after) !== before,
    payload: after ?? null,
    info: { findings: masked, policy_version: version },
  }
}

function audit({ auditor: { record } }: Tools, { event, phase, payload, context }: Invocation): Result {
  const direction = phase === 'request' ? 'client_to_server' : 'server_to_client'
  record({ method: event, direction, payload, saidBy: context?.principal?.id })
  return { valid: true, severity: 'info', info: { recorded: true } }
}

const works: Readonly<Record<string, (tools: Tools, invocation: Invocation) => Result>> = {
  [masker.name]: maskPayload,
  [auditor.name]: audit,
}

function failure(name: string, error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error
  // Neither the payload nor anything of it is in the answer.
  return new ProtocolError(failed, 'Interceptor execution failed', { interceptor: name })
}

/** Does what one interceptor is asked for. Throws `ProtocolError`: who invoked it then blocks the message, unless it fails open. */
export function invoke(tools: Tools, invocation: Invocation): Result {
  const { name, event, phase, timeoutMs } = invocation
  const { type } = found(name, event)
  refuseConfig(invocation)
  const startMs = tools.nowMs()
  let result: Result
  try {
    result = works[name]?.(tools, invocation) ?? {}
  } catch (error) {
    throw failure(name, error)
  }
  const durationMs = tools.nowMs() - startMs
  if (timeoutMs !== undefined && durationMs > timeoutMs)
    throw new ProtocolError(timedOut, 'Interceptor execution timeout', {
      interceptor: name,
      timeoutMs,
      phase,
    })
  return { interceptor: name, type, phase, durationMs, ...result }
}
