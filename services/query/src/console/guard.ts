import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** Why a request is not answered. */
export interface Refusal {
  readonly status: 401 | 403
  readonly message: string
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Names under which this machine alone reaches itself; any other name may have been bent to it (DNS rebinding). */
function isOwnHost(host: string | undefined, port: number): boolean {
  return [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`].includes(host ?? '')
}

function isOwnOrigin(request: IncomingMessage, port: number): boolean {
  const { origin, 'sec-fetch-site': site } = request.headers
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false
  return (
    origin === undefined || (origin.startsWith('http://') && isOwnHost(origin.slice('http://'.length), port))
  )
}

/** Refuses requests that other sites or other names than this machine's own could have caused. */
export function refuseForeign(request: IncomingMessage, port: number): Refusal | undefined {
  if (!isOwnHost(request.headers.host, port))
    return { status: 403, message: 'This console answers to its loopback address only.' }
  if (!isOwnOrigin(request, port)) return { status: 403, message: 'Another site asked.' }
  return undefined
}

/** Refuses requests without the token. */
export function refuseUnknown(request: IncomingMessage, token: string): Refusal | undefined {
  const [scheme = '', given = ''] = (request.headers.authorization ?? '').split(' ', 2)
  if (scheme.toLowerCase() === 'bearer' && isSame(given, token)) return undefined
  return { status: 401, message: 'The token is missing or wrong.' }
}

/** Nothing but the page's own files runs, and nobody may frame, sniff or keep it. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'cache-control': 'no-store',
}
