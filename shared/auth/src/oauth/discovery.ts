import { AppError } from '@muniment/schema'
import { fetchJson, readEndpoint, type FetchLimits } from './fetch.ts'
import { isMembers, textOf } from './json.ts'

/** RFC 8414 §3.1 puts the name before the issuer's path, OpenID Connect Discovery behind it. */
function candidates(issuer: URL): readonly URL[] {
  const path = issuer.pathname.replace(/\/$/u, '')
  return [
    new URL(`/.well-known/oauth-authorization-server${path}`, issuer),
    new URL(`${path}/.well-known/openid-configuration`, issuer),
  ]
}

async function metadataAt(url: URL, issuer: string, limits: FetchLimits): Promise<URL> {
  const value = await fetchJson(url, {}, limits)
  const jwksUri = isMembers(value) ? textOf(value['jwks_uri']) : undefined
  if (!isMembers(value) || value['issuer'] !== issuer || jwksUri === undefined)
    throw new AppError('DEPENDENCY_UNREACHABLE', `${url.origin} does not describe the issuer ${issuer}.`)
  return readEndpoint(jwksUri, `jwks_uri of ${issuer}`)
}

/** Where an issuer keeps its keys, by its own metadata (RFC 8414, else OpenID Connect Discovery), which must name it. */
export async function discoverJwksUri(issuer: string, limits: FetchLimits): Promise<URL> {
  const [first, second] = candidates(new URL(issuer))
  if (first === undefined || second === undefined) throw new Error('unreachable')
  try {
    return await metadataAt(first, issuer, limits)
  } catch {
    return await metadataAt(second, issuer, limits)
  }
}
