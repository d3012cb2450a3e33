import { AppError } from '@muniment/schema'
import type { ProxyRoute } from './options.ts'

/** A route, ready to match. */
export interface Route extends ProxyRoute {
  /** Without a slash at its end; empty = everything. */
  readonly path: string
  /** What takes the place of `path` at the upstream. */
  readonly upstreamPath: string
}

/** Where a request goes. */
export interface Match {
  readonly route: Route
  /** Path and query at the upstream. */
  readonly target: string
  /** The request asks for RFC 9728 metadata of the route. */
  readonly isMetadata: boolean
}

const pathForm = /^(?:\/[A-Za-z0-9._~-]+)+$/u
/** In whatever spelling: a segment that leads out of the route. */
const climbing = /(?:^|\/|%2f|\\|%5c)(?:\.|%2e){1,2}(?:\/|%2f|\\|%5c|$)/iu
const wellKnown = /^\/\.well-known\/([A-Za-z0-9._-]+)(\/[^?]*)?$/u

function routeOf(given: ProxyRoute): Route {
  const { upstream, path = '' } = given
  const trimmed = path.replace(/\/$/u, '')
  if (!/^https?:$/u.test(upstream.protocol) || upstream.username !== '' || upstream.password !== '')
    throw new AppError('CONFIG_INVALID', `${upstream.protocol}//${upstream.host} cannot be an upstream.`, {
      hint: 'Give an http:// or https:// URL without user name and password.',
    })
  if (trimmed !== '' && !pathForm.test(trimmed))
    throw new AppError('CONFIG_INVALID', `${JSON.stringify(path)} cannot be the path of an upstream.`, {
      hint: 'Write it like /files=http://127.0.0.1:4101/mcp.',
    })
  const upstreamPath = trimmed === '' ? '' : upstream.pathname.replace(/\/$/u, '')
  return { ...given, path: trimmed, upstreamPath }
}

/** Checks routes, longest path first. Throws `CONFIG_INVALID`. */
export function readRoutes(given: readonly ProxyRoute[]): readonly Route[] {
  const routes = given.map(routeOf).toSorted((a, b) => b.path.length - a.path.length)
  if (routes.length === 0) throw new AppError('CONFIG_INVALID', 'A proxy needs an upstream.')
  if (new Set(routes.map(({ path }) => path)).size < routes.length)
    throw new AppError('CONFIG_INVALID', 'Two upstreams have the same path.', {
      hint: 'Give each a path of its own: --upstream /files=http://… --upstream /notes=http://…',
    })
  return routes
}

function below(routes: readonly Route[], path: string): Route | undefined {
  return routes.find(route => path === route.path || path.startsWith(`${route.path}/`) || route.path === '')
}

/** Metadata of a path stand before it (RFC 8615, RFC 9728 §3.1). */
function matchWellKnown(routes: readonly Route[], name: string, path: string): Match | undefined {
  const route = below(routes, path)
  if (route === undefined) return undefined
  const target = `/.well-known/${name}${route.upstreamPath}${path.slice(route.path.length)}`
  return { route, target, isMetadata: name === 'oauth-protected-resource' }
}

function matchPath(routes: readonly Route[], path: string): Match | undefined {
  const route = below(routes, path)
  if (route === undefined) return undefined
  const target = `${route.upstreamPath}${path.slice(route.path.length)}`
  return { route, target: target === '' ? '/' : target, isMetadata: false }
}

/** Finds where a request goes; `undefined` for what no route serves, and for paths that climb. */
export function matchRoute(routes: readonly Route[], url: string): Match | undefined {
  const at = url.indexOf('?')
  const [path, query] = at === -1 ? [url, ''] : [url.slice(0, at), url.slice(at)]
  if (!path.startsWith('/') || climbing.test(path)) return undefined
  const [, name, inner = ''] = wellKnown.exec(path) ?? []
  const match = name === undefined ? matchPath(routes, path) : matchWellKnown(routes, name, inner)
  return match && { ...match, target: `${match.target}${query}` }
}
