import { AppError } from '@muniment/schema'
import { readEndpoint, type FetchLimits } from './fetch.ts'
import type { IntrospectionOptions } from './introspection.ts'

/** How OAuth 2.1 access tokens are taken. */
export interface OAuthOptions {
  /** The only issuer whose tokens are taken, letter by letter. For several give several methods. */
  readonly issuer: string
  /** The addresses of what is guarded, as clients know them: a token must name the one that it is used at (RFC 8707). */
  readonly resources: readonly string[]
  /** Where the keys are; default what the issuer's metadata say. */
  readonly jwksUri?: string | undefined
  /** Scopes that every token must have; default none. */
  readonly scopes?: readonly string[] | undefined
  /** Scopes that metadata name beside those. */
  readonly scopesSupported?: readonly string[] | undefined
  /** The claim that names the caller's tenant; without one tokens name none. */
  readonly tenantClaim?: string | undefined
  /** Which signatures are taken; default RS256, PS256, ES256, EdDSA and Ed25519. Never `none`, and none with a shared secret. */
  readonly algorithms?: readonly string[] | undefined
  /** `typ` of the tokens (RFC 9068); default `at+jwt`. `JWT` takes what issuers of older make send, ID tokens among it. */
  readonly types?: readonly string[] | undefined
  /** How far clocks may differ (default 30 s). */
  readonly clockSkewMs?: number | undefined
  /** How long a verified token is taken without looking at keys again (default 5 min). */
  readonly cacheMs?: number | undefined
  readonly keys?:
    | { readonly maxAgeMs?: number; readonly cooldownMs?: number; readonly staleMs?: number }
    | undefined
  readonly introspection?: IntrospectionOptions | undefined
  readonly fetch?: FetchLimits | undefined
  readonly now?: (() => number) | undefined
}

/** One guarded address. */
export interface Resource {
  /** As it was given: what metadata say. */
  readonly id: string
  /** Every spelling in which a token may name it. */
  readonly audiences: readonly string[]
  readonly path: string
}

const safeAlgorithms = new Set(
  'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' '),
)
const defaultAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'] as const
const scopeForm = /^[\x21\x23-\x5b\x5d-\x7e]+$/u

function invalid(message: string, hint: string): AppError {
  return new AppError('CONFIG_INVALID', message, { hint })
}

export function readAlgorithms(given: readonly string[] = defaultAlgorithms): string[] {
  const bad = given.find(each => !safeAlgorithms.has(each))
  if (bad === undefined && given.length > 0) return [...given]
  throw invalid(
    `The algorithm ${JSON.stringify(bad ?? '')} cannot be used for tokens.`,
    `Use some of ${[...safeAlgorithms].join(', ')}.`,
  )
}

export function readScopes(given: readonly string[] = []): readonly string[] {
  const bad = given.find(each => !scopeForm.test(each))
  if (bad === undefined) return given
  throw invalid(`${JSON.stringify(bad)} is not a scope.`, 'Scopes have no spaces, quotes or backslashes.')
}

function readResource(id: string): Resource {
  const url = readEndpoint(id, 'resources')
  if (url.hash !== '' || url.search !== '')
    throw invalid(
      `${JSON.stringify(id)} cannot be a resource.`,
      'Leave out the query and the fragment (RFC 8707).',
    )
  const path = url.pathname.replace(/\/$/u, '')
  // An origin alone is written with and without its slash; URL parsers add it.
  const audiences = path === '' ? [url.origin, `${url.origin}/`] : [id, url.href]
  return { id, path, audiences: [...new Set(audiences)] }
}

/** Longest path first. */
export function readResources(given: readonly string[]): readonly Resource[] {
  if (given.length === 0)
    throw invalid(
      'No resource is named.',
      'Give the address under which clients call, as in https://mcp.example.com/mcp.',
    )
  return given.map(readResource).toSorted((a, b) => b.path.length - a.path.length)
}

/** The resource that a request is for; where there is one alone, that. */
export function resourceAt(resources: readonly Resource[], target: string): Resource | undefined {
  if (resources.length === 1) return resources[0]
  const [path = ''] = target.split('?', 1)
  return resources.find(each => path === each.path || path.startsWith(`${each.path}/`))
}
