import { createHash } from 'node:crypto'
import {
  rejected,
  type Accepted,
  type AuthRequest,
  type Insufficient,
  type Principal,
  type Rejected,
} from '../method.ts'
import { isMembers, textOf, type Members } from './json.ts'

const maxScopes = 64
const maxText = 4096

/** Scopes of a token: `scope` (RFC 9068, RFC 7662), or the list `scp` of some issuers. */
function scopesOf(claims: Members): readonly string[] {
  const { scope, scp } = claims
  if (typeof scope === 'string') return scope.split(' ').filter(each => each !== '')
  const list = typeof scp === 'string' ? scp.split(' ') : scp
  return Array.isArray(list) ? list.filter(each => typeof each === 'string') : []
}

/** A token that is bound to a key is worth nothing without the proof; taking it as a bearer token would undo the binding (RFC 8705, RFC 9449). */
function bindingFault({ cnf }: Members, { certificate }: AuthRequest): string | undefined {
  if (cnf === undefined) return undefined
  const thumbprint = isMembers(cnf) ? textOf(cnf['x5t#S256']) : undefined
  if (thumbprint === undefined) return 'token_bound_to_unknown_proof'
  if (certificate === undefined) return 'token_bound_to_certificate'
  const shown = createHash('sha256').update(certificate).digest('base64url')
  return shown === thumbprint ? undefined : 'token_bound_to_other_certificate'
}

function principalOf(claims: Members, issuer: string): Principal | undefined {
  const clientId = textOf(claims['client_id']) ?? textOf(claims['azp'])
  const id = textOf(claims['sub']) ?? clientId
  if (id === undefined || id.length > maxText) return undefined
  const scopes = scopesOf(claims).slice(0, maxScopes)
  return {
    id,
    ...(clientId !== undefined && { client_id: clientId.slice(0, maxText) }),
    issuer,
    scopes,
    method: 'oauth',
  }
}

/** What claims must say beyond what the signature and the registered claims did. */
export interface ClaimRules {
  readonly issuer: string
  readonly scopes: readonly string[]
  readonly tenantClaim?: string | undefined
}

const tenantForm = /^[a-z0-9][a-z0-9_.-]{0,62}$/u

/** A claim that is no tenant's name names none. */
function tenantOf(claims: Members, claim: string | undefined): string | undefined {
  const named = claim === undefined ? undefined : textOf(claims[claim])
  return named !== undefined && tenantForm.test(named) ? named : undefined
}

/** Whom the verified claims of a token speak for. */
export function judgeClaims(
  claims: Members,
  { issuer, scopes, tenantClaim }: ClaimRules,
  request: AuthRequest,
): Accepted | Insufficient | Rejected {
  const fault = bindingFault(claims, request)
  if (fault !== undefined) return rejected(fault)
  const principal = principalOf(claims, issuer)
  if (principal === undefined) return rejected('token_without_subject')
  const held = new Set(scopesOf(claims))
  if (!scopes.every(scope => held.has(scope))) return { kind: 'insufficient', principal, scopes }
  const { exp } = claims
  const tenant = tenantOf(claims, tenantClaim)
  return {
    kind: 'accepted',
    principal,
    ...(tenant !== undefined && { tenant }),
    ...(typeof exp === 'number' && { expiresAtMs: exp * 1000 }),
  }
}
