import { createBoundedMap } from '../bounded-map.ts'
import { readEndpoint } from '../oauth/fetch.ts'
import { isMembers, textOf } from '../oauth/json.ts'
import type { ClientRecord, ClientTokens } from './record.ts'
import type { ClientStore } from './store.ts'

/** As the official clients call it. */
export type FetchLike = (url: string | URL, init?: RequestInit) => Promise<Response>

/** What a client's requests go through. */
export interface RefreshingFetch {
  readonly fetch: FetchLike
  /** Whether any request came this way: if none did, nobody may refresh. */
  readonly isUsed: () => boolean
  /** Whether these tokens are kept already. */
  readonly isKept: (tokens: ClientTokens) => boolean
  /** The refresh token that was used up last. */
  readonly spent: () => string | undefined
}

const timeoutMs = 20_000
/** Tokens that a client still has to hand back; more than it refreshes at a time. */
const mostKept = 64
const msPerSecond = 1000

/** The record with new tokens. A server that does not rotate gives no new refresh token: the old one holds. */
export function withTokens(record: ClientRecord, tokens: ClientTokens, nowMs: number): ClientRecord {
  const seconds = tokens.expires_in
  return {
    ...record,
    tokens: { ...tokens, refresh_token: tokens.refresh_token ?? record.tokens?.refresh_token },
    expiresMs: seconds === undefined ? undefined : nowMs + seconds * msPerSecond,
  }
}

/** The kept tokens, with the seconds that are left of them. */
export function tokensIn({ tokens, expiresMs }: ClientRecord, nowMs: number): ClientTokens | undefined {
  if (tokens === undefined || expiresMs === undefined) return tokens
  return { ...tokens, expires_in: Math.max(0, Math.floor((expiresMs - nowMs) / msPerSecond)) }
}

function tokenRequest(init: RequestInit | undefined): URLSearchParams | undefined {
  const body = init?.method === 'POST' && init.body instanceof URLSearchParams ? init.body : undefined
  return body?.has('grant_type') === true ? body : undefined
}

async function tokensOf(response: Response): Promise<ClientTokens | undefined> {
  const value: unknown = response.ok
    ? await response
        .clone()
        .json()
        .catch(() => undefined)
    : undefined
  if (!isMembers(value)) return undefined
  const [access_token, token_type] = [textOf(value['access_token']), textOf(value['token_type'])]
  if (access_token === undefined || token_type === undefined) return undefined
  const expires = Number(value['expires_in'])
  return {
    access_token,
    token_type,
    refresh_token: textOf(value['refresh_token']),
    ...(textOf(value['scope']) !== undefined && { scope: textOf(value['scope']) }),
    expires_in: value['expires_in'] !== undefined && Number.isFinite(expires) ? expires : undefined,
  }
}

/**
 * Lets one process at a time refresh, and keeps what came of it before anybody else reads. Who finds that another one was faster gets what that one got: a
 * refresh token that is used twice looks stolen, and ends the whole sign-in.
 */
export function createRefreshingFetch(
  store: ClientStore,
  now: () => number,
  send: FetchLike,
): RefreshingFetch {
  let isUsed = false
  let spent: string | undefined
  const kept = createBoundedMap<true>(mostKept)
  const keep = ({ access_token: token }: ClientTokens): void => kept.set(token, true)

  async function refresh(url: string | URL, init: RequestInit | undefined, token: string): Promise<Response> {
    const current = tokensIn(await store.read(), now())
    if (current?.refresh_token !== undefined && current.refresh_token !== token) {
      keep(current)
      const { issuer: _, ...answer } = current
      return Response.json(answer)
    }
    spent = token
    const response = await send(url, { ...init, signal: AbortSignal.timeout(timeoutMs) })
    const tokens = await tokensOf(response)
    if (tokens === undefined || current === undefined) return response
    const { issuer, scope } = current
    await store.update(record => withTokens(record, { scope, ...tokens, issuer }, now()))
    keep(tokens)
    return response
  }

  return {
    isUsed: () => isUsed,
    isKept: ({ access_token: token }) => kept.get(token) === true,
    spent: () => spent,
    fetch: async (url, init) => {
      isUsed = true
      const body = tokenRequest(init)
      if (body === undefined) return await send(url, init)
      readEndpoint(String(url), 'The token endpoint')
      const token = body.get('grant_type') === 'refresh_token' ? body.get('refresh_token') : null
      if (token === null) return await send(url, init)
      return await store.alone(async () => await refresh(url, init, token))
    },
  }
}
