import type { IncomingMessage } from 'node:http'
import { corsFields, type Cors } from './cors.ts'
import { listOf, valueOf } from './headers.ts'
import type { Match } from './route.ts'

/** An answer that the proxy gives itself. */
export interface OwnAnswer {
  readonly status: number
  readonly type: string
  readonly body: string
  /** All further fields, those for CORS too. */
  readonly fields?: readonly string[]
  /** Fields beside those. */
  readonly extra?: readonly string[]
}

/** What every request is checked against. */
export interface Admission extends Cors {
  /** Nobody but this machine is meant to reach the proxy. */
  readonly isLoopback: boolean
  readonly publicOrigin: string | undefined
  readonly maxBodyBytes: number
  /** The name under which this proxy marks what it forwards. */
  readonly viaName: string
}

const codes: Readonly<Record<number, number>> = { 400: -32_600, 413: -32_600, 502: -32_603, 504: -32_603 }

/** A refusal in the form in which the SDK's own servers refuse; it says nothing of the request. */
export function refusal(status: number, message: string): OwnAnswer {
  const error = { code: codes[status] ?? -32_000, message }
  return {
    status,
    type: 'application/json',
    body: JSON.stringify({ jsonrpc: '2.0', error, id: null }),
  }
}

function isLoopbackName(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/u.test(host)
}

function hostnameOf(address: string): string | undefined {
  return URL.canParse(address) ? new URL(address).hostname : undefined
}

/** A page on a name that was made to lead here (DNS rebinding) shows itself by its `Host` and its `Origin`. */
function isForeign(hostname: string | undefined, { publicOrigin }: Admission): boolean {
  if (hostname === undefined) return true
  return !isLoopbackName(hostname) && hostname !== (publicOrigin && hostnameOf(publicOrigin))
}

function isAllowedOrigin(origin: string, admission: Admission): boolean {
  const { allowedOrigins, isLoopback, publicOrigin } = admission
  if (allowedOrigins.has(origin) || origin === publicOrigin) return true
  if (isLoopback) return !isForeign(hostnameOf(origin), admission)
  return allowedOrigins.size === 0
}

function preflight({ headers, method }: IncomingMessage, admission: Admission): OwnAnswer | undefined {
  const { origin } = headers
  if (method !== 'OPTIONS' || origin === undefined || !admission.allowedOrigins.has(origin)) return undefined
  if (headers['access-control-request-method'] === undefined) return undefined
  const asked = headers['access-control-request-headers']
  const fields = [
    ...corsFields(origin),
    'Access-Control-Allow-Methods',
    'GET, POST, DELETE, OPTIONS',
    ...(asked === undefined ? [] : ['Access-Control-Allow-Headers', asked]),
    'Access-Control-Max-Age',
    '600',
  ]
  return { status: 204, type: '', body: '', fields }
}

/** Refuses whom a page led here, and what does not say unmistakably where it wants to go. */
function refuseCaller({ headers, rawHeaders }: IncomingMessage, admission: Admission): OwnAnswer | undefined {
  const { host = '', origin } = headers
  // Node takes the first of several; others might take the last.
  if (listOf(rawHeaders, 'host').length !== 1) return refusal(400, 'One Host is needed')
  if (admission.isLoopback && isForeign(hostnameOf(`http://${host}`), admission))
    return refusal(403, 'Host is not allowed')
  if (origin !== undefined && !isAllowedOrigin(origin, admission))
    return refusal(403, 'Origin is not allowed')
  return undefined
}

/**
 * What the proxy answers itself instead of passing a request on: the one place where a request may be turned away before
 * a server sees it.
 */
export function admit(
  request: IncomingMessage,
  match: Match | undefined,
  admission: Admission,
): OwnAnswer | undefined {
  const { rawHeaders } = request
  const refused = refuseCaller(request, admission)
  if (refused !== undefined) return refused
  if (match === undefined) return refusal(404, 'Not found')
  if (listOf(rawHeaders, 'via').some(one => one.endsWith(` ${admission.viaName}`)))
    return refusal(508, 'The upstream leads back here')
  if (Number(valueOf(rawHeaders, 'content-length') ?? 0) > admission.maxBodyBytes)
    return refusal(413, 'Request body is too large')
  return preflight(request, admission)
}
