import { AppError } from '@muniment/schema'

/** Whose pages may call. */
export interface Cors {
  readonly allowedOrigins: ReadonlySet<string>
}

const exposed =
  'Mcp-Session-Id, Mcp-Protocol-Version, WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy'

/** Reads an allow-list. Throws `CONFIG_INVALID` for what is no origin: a star would let every page in the browser call. */
export function readOrigins(origins: readonly string[]): ReadonlySet<string> {
  for (const origin of origins)
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      throw new AppError('CONFIG_INVALID', `${JSON.stringify(origin)} is not an origin.`, {
        hint: 'Write scheme, host and port only, as in https://app.example.com; there is no wildcard.',
      })
  return new Set(origins)
}

/** What lets the page of an allowed origin read an answer. */
export function corsFields(origin: string): string[] {
  return ['Access-Control-Allow-Origin', origin, 'Access-Control-Expose-Headers', exposed, 'Vary', 'Origin']
}
