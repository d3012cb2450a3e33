/** A refusal before anything was read: the code, the HTTP status, and the header fields that tell what is needed. */
export interface AuthRefusal {
  readonly code: 'AUTH_FAILED' | 'ACCESS_DENIED' | 'RATE_LIMITED' | 'SERVICE_ERROR'
  readonly status: 401 | 403 | 429 | 503
  readonly headers: Readonly<Record<string, string>>
}

/** A `Bearer` challenge (RFC 6750 §3, RFC 9728 §5.1). Nothing in it comes from a request. */
function bearerChallenge(fields: Readonly<Record<string, string>>): string {
  const written = Object.entries(fields).map(
    ([name, value]) => `${name}="${value.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/gu, '')}"`,
  )
  return written.length === 0 ? 'Bearer' : `Bearer ${written.join(', ')}`
}

/** The step-up challenge: the same caller may come again with a token that reaches further. */
export function insufficientScope(
  fields: Readonly<Record<string, string>>,
  scopes: readonly string[],
): AuthRefusal {
  const all = { error: 'insufficient_scope', ...fields, scope: scopes.join(' ') }
  return { code: 'ACCESS_DENIED', status: 403, headers: { 'WWW-Authenticate': bearerChallenge(all) } }
}

/** `error` only where there was a credential: who came without one did nothing wrong. */
export function unauthenticated(
  fields: Readonly<Record<string, string>>,
  hadCredential: boolean,
): AuthRefusal {
  const all = hadCredential ? { error: 'invalid_token', ...fields } : fields
  return { code: 'AUTH_FAILED', status: 401, headers: { 'WWW-Authenticate': bearerChallenge(all) } }
}

export function tooManyFailures(waitMs: number): AuthRefusal {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000))
  return { code: 'RATE_LIMITED', status: 429, headers: { 'Retry-After': String(seconds) } }
}

export const cannotTell: AuthRefusal = {
  code: 'SERVICE_ERROR',
  status: 503,
  headers: { 'Retry-After': '5' },
}
