import type { ClientInformation, ClientRecord, ClientTokens } from './record.ts'
import { redirectHost, redirectPath } from './redirect.ts'
import { tokensIn, withTokens, type RefreshingFetch } from './refresh.ts'
import { createSignIns, type DiscoveryState, type SignInOptions } from './sign-in.ts'
import type { ClientStore } from './store.ts'

/** What a client says of itself when it registers. */
interface ClientMetadata {
  redirect_uris: string[]
  application_type: string
  token_endpoint_auth_method: string
  grant_types: string[]
  response_types: string[]
  client_name: string
  scope?: string
}

type Credentials = 'all' | 'client' | 'tokens' | 'verifier' | 'discovery'

/** An `OAuthClientProvider` of both official clients, by its form. */
export interface ClientProvider {
  readonly redirectUrl: string
  readonly clientMetadata: ClientMetadata
  readonly clientMetadataUrl?: string
  readonly state: () => string
  readonly clientInformation: () => Promise<ClientInformation | undefined>
  readonly saveClientInformation?: (information: ClientInformation) => Promise<void>
  readonly tokens: () => Promise<ClientTokens | undefined>
  readonly saveTokens: (tokens: ClientTokens) => Promise<void>
  readonly redirectToAuthorization: (url: URL) => Promise<void>
  readonly saveCodeVerifier: (verifier: string) => void
  readonly codeVerifier: () => string
  readonly invalidateCredentials: (scope: Credentials) => Promise<void>
  readonly saveDiscoveryState: (state: DiscoveryState) => void
  readonly discoveryState: () => DiscoveryState | undefined
}

/** A client that was registered by hand; its secret goes to this issuer only. */
export interface RegisteredClient {
  readonly id: string
  readonly secret?: string
  readonly issuer: string
}

/** What a provider is made of. */
export interface ProviderParts extends SignInOptions {
  readonly store: ClientStore
  readonly refreshing: RefreshingFetch
  readonly now: () => number
  readonly metadata: ClientMetadata
  readonly metadataUrl?: string | undefined
  readonly registered?: RegisteredClient | undefined
}

function usable(record: ClientRecord, redirectUrl: string, nowMs: number): ClientInformation | undefined {
  const { client } = record
  const ends = client?.client_secret_expires_at ?? 0
  const isOver = ends > 0 && ends * 1000 <= nowMs
  const isElsewhere = client?.redirect_uris !== undefined && !client.redirect_uris.includes(redirectUrl)
  return isOver || isElsewhere ? undefined : client
}

function without(
  record: ClientRecord,
  scope: Credentials,
  isStale: (tokens: ClientTokens) => boolean,
): ClientRecord {
  const { tokens, expiresMs, client, redirectPort } = record
  const dropsTokens = scope === 'all' || (scope === 'tokens' && tokens !== undefined && isStale(tokens))
  return {
    ...(!dropsTokens && { tokens, expiresMs }),
    ...(scope !== 'all' && scope !== 'client' && { client, redirectPort }),
  }
}

/** A provider, and what came back from the sign-in that it began last. */
export interface Providing {
  readonly provider: ClientProvider
  readonly returned: () => Promise<URLSearchParams>
  readonly close: () => void
}

function createCredentials({ store, refreshing, now, port, registered }: ProviderParts, redirectUrl: string) {
  let given: string | undefined
  const isStale = ({ access_token: token, refresh_token: more }: ClientTokens): boolean =>
    token === given || (more !== undefined && more === refreshing.spent())
  return {
    clientInformation: async (): Promise<ClientInformation | undefined> => {
      if (registered === undefined) return usable(await store.read(), redirectUrl, now())
      const { id, secret, issuer } = registered
      return { client_id: id, ...(secret !== undefined && { client_secret: secret }), issuer }
    },
    saveClientInformation: async (client: ClientInformation) =>
      await store.update(record => ({ ...record, client, redirectPort: port })),
    tokens: async () => {
      const tokens = tokensIn(await store.read(), now())
      given = tokens?.access_token
      if (tokens === undefined || refreshing.isUsed()) return tokens
      // Who does not send through our fetch would refresh while others do.
      const { refresh_token: _, ...others } = tokens
      return others
    },
    saveTokens: async (tokens: ClientTokens) => {
      if (!refreshing.isKept(tokens)) await store.update(record => withTokens(record, tokens, now()))
    },
    invalidate: async (scope: Credentials) => await store.update(record => without(record, scope, isStale)),
  }
}

export function createProvider(parts: ProviderParts): Providing {
  const { port, metadata, metadataUrl, registered } = parts
  const redirectUrl = `http://${redirectHost}:${port}${redirectPath}`
  const { end, returned, ...signIns } = createSignIns(parts)
  const credentials = createCredentials(parts, redirectUrl)
  const { saveClientInformation, saveTokens, invalidate, ...others } = credentials
  const provider: ClientProvider = {
    redirectUrl,
    clientMetadata: { ...metadata, redirect_uris: [redirectUrl] },
    ...(metadataUrl !== undefined && { clientMetadataUrl: metadataUrl }),
    ...signIns,
    ...others,
    // Who was registered by hand is never registered anew, with whomever a server names.
    ...(registered === undefined && { saveClientInformation }),
    saveTokens: async tokens => {
      await saveTokens(tokens)
      end('The sign-in is done.')
    },
    invalidateCredentials: async scope => {
      if (scope === 'verifier' || scope === 'all') end('The sign-in was given up.')
      if (scope !== 'verifier' && scope !== 'discovery') await invalidate(scope)
    },
  }
  return { provider, returned, close: () => end('The client was closed.') }
}
