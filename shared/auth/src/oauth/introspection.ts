import { fetchJson, type FetchLimits } from './fetch.ts'
import { isMembers, type Members } from './json.ts'

/** Where a token can be asked about (RFC 7662), and as whom. */
export interface IntrospectionOptions {
  readonly url: string
  readonly clientId: string
  readonly clientSecret: string
  /** `opaque` asks about tokens that are not JWTs, `all` about each: then one that was revoked is refused before it expires. Default `all`. */
  readonly tokens?: 'all' | 'opaque' | undefined
  /** How long an answer holds (default 30 s): a token that was revoked may still be taken that long. */
  readonly cacheMs?: number | undefined
}

export const defaultIntrospectionCacheMs = 30_000

function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}

/** What the issuer says of a token; `undefined` where it is not, or no longer, active. Rejects with `DEPENDENCY_UNREACHABLE`. */
export async function introspect(
  {
    url,
    clientId,
    clientSecret,
  }: { readonly url: URL; readonly clientId: string; readonly clientSecret: string },
  token: string,
  limits: FetchLimits,
): Promise<Members | undefined> {
  // RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
  const credentials = Buffer.from(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`)
  const init = {
    method: 'POST' as const,
    headers: { authorization: `Basic ${credentials.toString('base64')}` },
    body: new URLSearchParams({ token, token_type_hint: 'access_token' }),
  }
  const answer = await fetchJson(url, init, limits)
  return isMembers(answer) && answer['active'] === true ? answer : undefined
}
