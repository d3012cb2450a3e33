import type { Principal } from '../record.ts'

/** Who was let in, in the form that both lines of the SDK hand to tools. */
export interface AuthInfo {
  /** Always empty: credentials end at the door. */
  token: string
  clientId: string
  scopes: string[]
  extra: { sub: string; iss?: string; method: string }
}

const granted = new WeakMap<object, AuthInfo>()

/**
 * Who was verified at the door of the edge that a request came through, for servers that are handed web requests: `handler.fetch(request, { authInfo: authInfoOf(request) })`.
 * Requests of Node have it as `auth`, where both lines of the SDK look for it.
 */
export function authInfoOf(request: object): AuthInfo | undefined {
  return granted.get(request)
}

/** Hands over who was verified. What an application has found out itself stays. */
export function grant(request: object, principal: Principal | undefined): void {
  if (principal === undefined) return
  const { id, client_id: clientId = id, issuer, scopes, method } = principal
  const extra = { sub: id, ...(issuer !== undefined && { iss: issuer }), method }
  granted.set(request, { token: '', clientId, scopes: [...(scopes ?? [])], extra })
}
