import type { AuthOutcome, Authenticator, Principal as Verified, Sessions } from '@muniment/auth'
import type { PolicyNote, Principal } from '../record.ts'
import { andThen } from '../soon.ts'
import type { DoorRequest, DoorVerdict, GuardPart } from './guard.ts'

function note(decision: 'accept' | 'refuse', reason: string): PolicyNote {
  return { name: 'authenticate', decision, reason }
}

function principalOf({ scopes, ...principal }: Verified): Principal {
  return { ...principal, ...(scopes !== undefined && { scopes: [...scopes] }) }
}

function verdictOf(outcome: AuthOutcome, drop: readonly string[]): DoorVerdict {
  const { reason } = outcome
  if (!('refusal' in outcome))
    return { principal: principalOf(outcome.principal), drop, notes: [note('accept', reason)] }
  const { code, status, headers } = outcome.refusal
  return {
    refusal: { code, status },
    headers,
    ...(outcome.principal !== undefined && { principal: principalOf(outcome.principal) }),
    notes: [note('refuse', reason)],
  }
}

/** A server's session in the hands of somebody else, or one that is over, is one that does not exist: the client must begin anew. */
function sessionFault(
  sessions: Sessions,
  request: DoorRequest,
  principal: Verified,
): DoorVerdict | undefined {
  const id = request.header('mcp-session-id')
  if (id === undefined) return undefined
  const standing = sessions.use(id, principal)
  if (request.method === 'DELETE' && standing === 'good') sessions.end(id)
  if (standing === 'good') return undefined
  return {
    refusal: { code: 'ACCESS_DENIED', status: 404 },
    principal: principalOf(principal),
    notes: [note('refuse', `session_${standing}`)],
  }
}

/** What an authenticator is given beside it. */
export interface AuthenticateOptions {
  /** Binds the server's sessions (`Mcp-Session-Id`) to who began them. */
  readonly sessions?: Sessions
}

/**
 * A guard that lets in whom an authenticator of `@muniment/auth` knows, at the door of a proxy or an HTTP edge. Credentials end here: a proxy does not pass them on.
 */
export function authenticate(
  authenticator: Authenticator,
  { sessions }: AuthenticateOptions = {},
): GuardPart {
  const judge = (request: DoorRequest, outcome: AuthOutcome): DoorVerdict => {
    const fault =
      sessions === undefined || 'refusal' in outcome
        ? undefined
        : sessionFault(sessions, request, outcome.principal)
    return fault ?? verdictOf(outcome, authenticator.spends(request))
  }
  return {
    stage: 'authenticate',
    open: () => ({
      door: request => andThen(authenticator.check(request), outcome => judge(request, outcome)),
      document: authenticator.document,
    }),
  }
}
