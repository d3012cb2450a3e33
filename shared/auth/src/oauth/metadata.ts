import { resourceAt, type Resource } from './options.ts'

/** What is guarded, and what its metadata say. */
export interface Guarded {
  readonly resources: readonly Resource[]
  readonly issuer: string
  readonly scopes: readonly string[]
  readonly supported: readonly string[]
}

const wellKnown = '/.well-known/oauth-protected-resource'

/** Fields of the challenge: where the metadata are, and what a token needs. */
export function challengeFields({ resources, scopes }: Guarded, target: string): Record<string, string> {
  const resource = resourceAt(resources, target)
  return {
    ...(resource !== undefined && {
      resource_metadata: `${new URL(resource.id).origin}${wellKnown}${resource.path}`,
    }),
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
  }
}

/** The RFC 9728 document at a path. */
export function documentAt(
  { resources, scopes, supported, issuer }: Guarded,
  path: string,
): object | undefined {
  const resource = resources.find(each => path === `${wellKnown}${each.path}`)
  if (resource === undefined) return undefined
  const all = [...new Set([...scopes, ...supported])]
  return {
    resource: resource.id,
    authorization_servers: [issuer],
    ...(all.length > 0 && { scopes_supported: all }),
    bearer_methods_supported: ['header'],
  }
}
