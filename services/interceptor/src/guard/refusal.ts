import { isMembers, textMember, type Members } from '../json.ts'
import type { Refusal } from './guard.ts'

/** Codes of JSON-RPC for refusals, outside what the protocol reserves, and of HTTP where the refusal is a whole response. */
export const refusalCodes = {
  AUTH_FAILED: { rpc: -32_001, http: 401 },
  ACCESS_DENIED: { rpc: -32_003, http: 403 },
  RATE_LIMITED: { rpc: -32_005, http: 429 },
  INVALID_INPUT: { rpc: -32_602, http: 400 },
  SERVICE_ERROR: { rpc: -32_603, http: 500 },
} as const satisfies Record<Refusal['code'], { readonly rpc: number; readonly http: number }>

/** A refusal as a JSON-RPC message. */
export interface RefusalMessage {
  readonly jsonrpc: '2.0'
  readonly id: string | number | null
  readonly error?: {
    readonly code: number
    readonly message: Refusal['code']
    readonly data?: { readonly hint?: string; readonly retryAfterSeconds?: number }
  }
  /** In place of an error: a client of the modern era is to ask first. */
  readonly result?: { readonly resultType: 'input_required' } & NonNullable<Refusal['asking']>
}

/** The answer to a request that was refused: its code, at most a hint, and never what led to it. */
export function refusalMessage(id: string | number | null, refusal: Refusal): RefusalMessage {
  const { code, hint, retryAfterMs, asking } = refusal
  if (asking !== undefined) return { jsonrpc: '2.0', id, result: { resultType: 'input_required', ...asking } }
  const data = {
    ...(hint !== undefined && { hint }),
    ...(retryAfterMs !== undefined && { retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)) }),
  }
  const error = { code: refusalCodes[code].rpc, message: code, ...(Object.keys(data).length > 0 && { data }) }
  return { jsonrpc: '2.0', id, error }
}

/** A message that a guard keeps from the server, with the answer that its sender gets; none where it asked for none. */
export interface Refused {
  readonly answer: RefusalMessage | undefined
}

/** A request, or what a server that is less strict than the protocol might take for one, whatever else is wrong with it. */
export function isAsked(message: unknown): message is Members & { readonly method: string } {
  return isMembers(message) && textMember(message, 'method')?.startsWith('notifications/') === false
}

/** The answer to a refused message; none where it asked for none. */
export function refuseMessage(message: Members, refusal: Refusal): Refused {
  const id = message['id']
  if (id === undefined) return { answer: undefined }
  return { answer: refusalMessage(typeof id === 'string' || typeof id === 'number' ? id : null, refusal) }
}
