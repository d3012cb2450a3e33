import { decodeJwt } from 'jose'
import { isApiKey } from '../api-keys/key.ts'
import { bearerToken } from '../bearer.ts'
import { outdated, rejected, type Accepted, type AuthRequest, type Finding, type Method } from '../method.ts'
import { judgeClaims } from './claims.ts'
import { discoverJwksUri } from './discovery.ts'
import { fetchJson, readEndpoint } from './fetch.ts'
import { defaultIntrospectionCacheMs, introspect } from './introspection.ts'
import { createKeySet, type KeySet } from './jwks.ts'
import type { Members } from './json.ts'
import { verifyJwt, type JwtRules } from './jwt.ts'
import { challengeFields, documentAt, type Guarded } from './metadata.ts'
import {
  readAlgorithms,
  readResources,
  readScopes,
  resourceAt,
  type OAuthOptions,
  type Resource,
} from './options.ts'
import { createTokenCache, tokenKey, type TokenCache } from './token-cache.ts'

interface State extends JwtRules, Guarded {
  readonly options: OAuthOptions
  readonly introspectionUrl: URL | undefined
  readonly cache: TokenCache
}

interface Presented {
  readonly request: AuthRequest
  readonly token: string
  readonly resource: Resource
}

const jwtForm = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/u
// Said after the signature was checked, or by the issuer itself.
const genuine: ReadonlySet<string> = new Set(['token_expired'])

function keySetOf(options: OAuthOptions, now: () => number): KeySet {
  const given = options.jwksUri === undefined ? undefined : readEndpoint(options.jwksUri, 'jwksUri')
  const limits = options.fetch ?? {}
  const load = async (): Promise<unknown> =>
    await fetchJson(given ?? (await discoverJwksUri(options.issuer, limits)), {}, limits)
  return createKeySet({ load, now, ...options.keys })
}

function stateOf(options: OAuthOptions): State {
  const { clockSkewMs = 30_000, now = Date.now, introspection, types = ['at+jwt'] } = options
  readEndpoint(options.issuer, 'issuer')
  return {
    options,
    now,
    resources: readResources(options.resources),
    issuer: options.issuer,
    scopes: readScopes(options.scopes),
    supported: readScopes(options.scopesSupported),
    types: types.map(each => each.toLowerCase()),
    verify: {
      algorithms: readAlgorithms(options.algorithms),
      issuer: options.issuer,
      clockTolerance: clockSkewMs / 1000,
      requiredClaims: ['exp', 'iss', 'aud'],
    },
    introspectionUrl: introspection && readEndpoint(introspection.url, 'introspection.url'),
    keys: keySetOf(options, now),
    cache: createTokenCache(now),
  }
}

function issuerOf(token: string): unknown {
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}

function isFor({ aud }: Members, { audiences }: Resource): boolean {
  const named: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  return named.some(each => typeof each === 'string' && audiences.includes(each))
}

async function ask(state: State, { token, resource }: Presented): Promise<Members | string> {
  const { introspectionUrl: url, options, now } = state
  if (url === undefined || options.introspection === undefined) return 'token_malformed'
  const answer = await introspect({ ...options.introspection, url }, token, options.fetch ?? {})
  if (answer === undefined) return 'token_inactive'
  if (answer['iss'] !== undefined && answer['iss'] !== options.issuer) return 'token_iss_refused'
  if (!isFor(answer, resource)) return 'token_aud_refused'
  const { exp } = answer
  return typeof exp === 'number' && exp * 1000 <= now() ? 'token_expired' : answer
}

async function claimsOf(state: State, presented: Presented): Promise<Members | string> {
  const isJwt = jwtForm.test(presented.token)
  if (!isJwt) return await ask(state, presented)
  const claims = await verifyJwt(state, presented.token, presented.resource.audiences)
  const { introspection } = state.options
  if (typeof claims === 'string' || introspection === undefined || introspection.tokens === 'opaque')
    return claims
  const answer = await ask(state, presented)
  return typeof answer === 'string' ? answer : claims
}

function keep(state: State, { token, resource }: Presented, found: Accepted): void {
  const { cacheMs = 300_000, introspection, clockSkewMs = 30_000 } = state.options
  const ttlMs = introspection === undefined ? cacheMs : (introspection.cacheMs ?? defaultIntrospectionCacheMs)
  const endMs = (found.expiresAtMs ?? Number.POSITIVE_INFINITY) + clockSkewMs
  state.cache.set(tokenKey(token, resource.id), found, Math.min(state.now() + ttlMs, endMs))
}

async function verify(state: State, presented: Presented): Promise<Finding> {
  try {
    const claims = await claimsOf(state, presented)
    if (typeof claims === 'string') return genuine.has(claims) ? outdated(claims) : rejected(claims)
    const { issuer, tenantClaim } = state.options
    const rules = { issuer, scopes: state.scopes, tenantClaim }
    const found = judgeClaims(claims, rules, presented.request)
    // What a certificate had to prove must be proved again on the next connection.
    if (found.kind === 'accepted' && claims['cnf'] === undefined) keep(state, presented, found)
    return found
  } catch {
    return { kind: 'unavailable', reason: 'issuer_unreachable' }
  }
}

function presentedIn(state: State, request: AuthRequest): Presented | 'nowhere' | undefined {
  const token = bearerToken(request)
  if (token === undefined || isApiKey(token)) return undefined
  const resource = resourceAt(state.resources, request.target)
  return resource === undefined ? 'nowhere' : { request, token, resource }
}

function check(state: State, request: AuthRequest): Finding | Promise<Finding> {
  const presented = presentedIn(state, request)
  if (presented === undefined) return undefined
  if (presented === 'nowhere') return rejected('token_for_no_resource')
  const known = state.cache.get(tokenKey(presented.token, presented.resource.id))
  if (known !== undefined) return known
  const issuer = jwtForm.test(presented.token) ? issuerOf(presented.token) : undefined
  if (typeof issuer === 'string' && issuer !== state.options.issuer)
    return { ...rejected('token_iss_refused'), isForeign: true }
  return verify(state, presented)
}

function recall(state: State, request: AuthRequest): Accepted | undefined {
  const presented = presentedIn(state, request)
  if (presented === undefined || presented === 'nowhere') return undefined
  return state.cache.get(tokenKey(presented.token, presented.resource.id))
}

/**
 * Takes OAuth 2.1 access tokens as a resource server. A token is verified once and then known by its hash, until it expires or `forget` is called.
 * Throws `CONFIG_INVALID` for options that cannot be meant.
 */
export function oauth(options: OAuthOptions): Method & { readonly forget: () => void } {
  const state = stateOf(options)
  return {
    name: 'oauth',
    check: request => check(state, request),
    recall: request => recall(state, request),
    spends: request => (bearerToken(request) === undefined ? [] : ['authorization']),
    challenge: ({ target }) => challengeFields(state, target),
    document: path => documentAt(state, path),
    forget: state.cache.clear,
  }
}
