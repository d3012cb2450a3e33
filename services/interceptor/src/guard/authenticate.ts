import type { AuthOutcome, Authenticator, Principal as Verified } from '@muniment/auth'
import type { Principal } from '../record.ts'
import { andThen } from '../soon.ts'
import type { DoorVerdict, GuardPart, PolicyNote } from './guard.ts'

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

/**
 * A guard that lets in whom an authenticator of `@muniment/auth` knows, at the door of a proxy or an HTTP edge. Credentials end here: a proxy does not pass them on.
 */
export function authenticate(authenticator: Authenticator): GuardPart {
  return {
    stage: 'authenticate',
    open: () => ({
      door: request =>
        andThen(authenticator.check(request), outcome => verdictOf(outcome, authenticator.spends(request))),
      document: authenticator.document,
    }),
  }
}
