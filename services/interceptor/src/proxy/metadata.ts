import { isMembers } from '../json.ts'
import type { Route } from './route.ts'

/** Protected-resource metadata (RFC 9728) names the address that clients called, or they refuse it: here it is the proxy's. */

const wellKnown = '/.well-known/oauth-protected-resource'
const challenged = /(?<=resource_metadata=")[^"]*(?=")/giu

/** The address that clients know, for one at the upstream; others are left alone. */
function translated(address: string, route: Route, publicOrigin: string): string {
  if (!URL.canParse(address)) return address
  const { origin, pathname, search } = new URL(address)
  if (origin !== route.upstream.origin) return address
  const isWellKnown = pathname.startsWith(wellKnown)
  const inner = isWellKnown ? pathname.slice(wellKnown.length) : pathname
  if (!inner.startsWith(route.upstreamPath)) return address
  const path = `${route.path}${inner.slice(route.upstreamPath.length)}`
  return `${publicOrigin}${isWellKnown ? wellKnown : ''}${path === '/' && !address.endsWith('/') ? '' : path}${search}`
}

/** The upstream's metadata with the `resource` that clients know; anything else unchanged. */
export function translatedMetadata(text: string, route: Route, publicOrigin: string): string {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return text
  }
  if (!isMembers(parsed) || typeof parsed['resource'] !== 'string') return text
  return JSON.stringify({ ...parsed, resource: translated(parsed['resource'], route, publicOrigin) })
}

/** The proxy's own metadata for a route. */
export function ownMetadata(route: Route, publicOrigin: string): string {
  const path = route.path === '' ? route.upstream.pathname : route.path
  return JSON.stringify({ ...route.resourceMetadata, resource: `${publicOrigin}${path}` })
}

/** A challenge that leads to the metadata at this address. */
export function translatedChallenge(challenge: string, route: Route, publicOrigin: string): string {
  const path = route.path === '' ? route.upstream.pathname : route.path
  const own = `${publicOrigin}${wellKnown}${path}`
  const isOwn = route.resourceMetadata !== undefined
  return challenge.replace(challenged, address => (isOwn ? own : translated(address, route, publicOrigin)))
}
