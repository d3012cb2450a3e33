import { AppError } from '@muniment/schema'
import { readEndpoint } from '../oauth/fetch.ts'
import { createProvider, type ClientProvider, type RegisteredClient } from './provider.ts'
import { freeRedirectPort } from './redirect.ts'
import { createRefreshingFetch, type FetchLike } from './refresh.ts'
import { openClientStore, type ClientKey } from './store.ts'

/** Who signs in where, and where what comes of it is kept. */
export interface OAuthClientOptions {
  /** Address of the MCP server. */
  readonly server: string
  /** Where tokens rest; shared by every process that signs in as the same user. */
  readonly folder: string
  /** Leads the user to the sign-in: opens a browser, or shows the address. Called with https addresses, or ones of this machine. */
  readonly openBrowser: (url: URL) => void | Promise<void>
  /** What users read when they are asked (default `muniment`). */
  readonly clientName?: string
  readonly scopes?: readonly string[]
  /** A client that was registered by hand; otherwise it registers itself. */
  readonly registered?: RegisteredClient
  /** Where its metadata document lies, for servers that take that for a name. */
  readonly metadataUrl?: string
  /** Where the browser comes back to (default one that is free, and then the same as long as the registration holds). */
  readonly redirectPort?: number
  /** Until a sign-in is given up (default 5 min). */
  readonly timeoutMs?: number
  /** The 32 bytes that seal the tokens (default a file of mode 0600 in `folder`). */
  readonly key?: ClientKey
  readonly now?: () => number
  readonly fetch?: FetchLike
}

/** Signs in at an MCP server. As a whole it is the options of an official client's transport. */
export interface OAuthClient {
  readonly authProvider: ClientProvider
  /** Every request must go through it: it sees to it that only one process refreshes. */
  readonly fetch: FetchLike
  /** Waits until the user has come back from the sign-in that a transport asked for, and checks the answer; for `finishAuth`. */
  readonly returned: () => Promise<URLSearchParams>
  /** Forgets the tokens here. They hold until they expire: nobody tells the authorization server. */
  readonly signOut: () => Promise<void>
  /** Gives up a sign-in that is under way. */
  readonly close: () => void
}

const defaultTimeoutMs = 300_000

function checkRegistered({ issuer }: RegisteredClient): void {
  readEndpoint(issuer, 'registered.issuer')
}

function metadataOf({ clientName = 'muniment', scopes, registered }: OAuthClientOptions) {
  return {
    redirect_uris: [],
    // Only programs on a machine may be sent back to it.
    application_type: 'native',
    token_endpoint_auth_method: registered?.secret === undefined ? 'none' : 'client_secret_basic',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    client_name: clientName,
    ...(scopes !== undefined && { scope: scopes.join(' ') }),
  }
}

function checkPort(port: number): number {
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new AppError('CONFIG_INVALID', `redirectPort is ${port}.`, { hint: 'Give a port, 1 to 65535.' })
}

/** A client of one server: PKCE, an answer by loopback only, tokens sealed at rest and refreshed by one process at a time. */
export async function createOAuthClient(options: OAuthClientOptions): Promise<OAuthClient> {
  const { folder, openBrowser, registered, metadataUrl, key } = options
  const { now = Date.now, timeoutMs = defaultTimeoutMs, fetch: send = fetch } = options
  const url = readEndpoint(options.server, 'server')
  url.hash = ''
  if (registered !== undefined) checkRegistered(registered)
  const store = openClientStore(folder, url.href, key)
  const kept = await store.read()
  const port = checkPort(options.redirectPort ?? kept.redirectPort ?? (await freeRedirectPort()))
  const refreshing = createRefreshingFetch(store, now, send)
  const metadata = metadataOf(options)
  const parts = { store, refreshing, now, port, timeoutMs, metadata, metadataUrl, registered, openBrowser }
  const { provider, returned, close } = createProvider(parts)
  return {
    authProvider: provider,
    fetch: refreshing.fetch,
    returned,
    signOut: async () => await store.update(({ client, redirectPort }) => ({ client, redirectPort })),
    close,
  }
}
