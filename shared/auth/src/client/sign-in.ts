import { randomBytes } from 'node:crypto'
import { AppError } from '@muniment/schema'
import { readEndpoint } from '../oauth/fetch.ts'
import { listenForRedirect, type RedirectListener } from './redirect.ts'

/** RFC 8414: what an authorization server says of itself. */
interface ServerMetadata {
  readonly [name: string]: unknown
  issuer: string
  authorization_endpoint: string
  token_endpoint: string
  response_types_supported: string[]
  authorization_response_iss_parameter_supported?: boolean | undefined
}

/** RFC 9728: what a server says of who lets clients in. */
interface ResourceMetadata {
  readonly [name: string]: unknown
  resource: string
}

/** What a client found out about its authorization server. */
export interface DiscoveryState {
  authorizationServerUrl: string
  authorizationServerMetadata?: ServerMetadata
  resourceMetadata?: ResourceMetadata
  resourceMetadataUrl?: string
}

/** What sign-ins need to know. */
export interface SignInOptions {
  readonly port: number
  readonly timeoutMs: number
  readonly openBrowser: (url: URL) => void | Promise<void>
}

/** The part of a provider that leads a user through a sign-in, one at a time. */
export interface SignIns {
  readonly state: () => string
  readonly saveCodeVerifier: (verifier: string) => void
  readonly codeVerifier: () => string
  readonly saveDiscoveryState: (state: DiscoveryState) => void
  readonly discoveryState: () => DiscoveryState | undefined
  readonly redirectToAuthorization: (url: URL) => Promise<void>
  readonly returned: () => Promise<URLSearchParams>
  readonly end: (why: string) => void
}

/** A sign-in from its first step to its tokens. None of it is ever written down. */
interface SignIn {
  readonly listener: RedirectListener
  readonly discovery: DiscoveryState | undefined
}

const stateBytes = 32

function isSameIssuer(one: string, other: string): boolean {
  return one.replace(/\/$/u, '') === other.replace(/\/$/u, '')
}

/** RFC 8414 §3.3: metadata must name whom they were asked of. One of the official clients does not look. */
function checkDiscovery(discovery: DiscoveryState): void {
  const issuer = discovery.authorizationServerMetadata?.issuer
  const isHonest = issuer === undefined || isSameIssuer(issuer, discovery.authorizationServerUrl)
  if (!isHonest)
    throw new AppError('AUTH_FAILED', 'The authorization server describes itself as another one.')
}

/** RFC 9207: the answer must come from whom was asked. Nothing else of it is read before. */
function checkIssuer(answer: URLSearchParams, discovery: DiscoveryState | undefined): void {
  const [given, ...more] = answer.getAll('iss')
  const metadata = discovery?.authorizationServerMetadata
  const expected = metadata?.issuer ?? discovery?.authorizationServerUrl
  const isNeeded = metadata?.authorization_response_iss_parameter_supported === true
  const isGood = given === undefined ? !isNeeded : more.length === 0 && given === expected
  if (!isGood)
    throw new AppError('AUTH_FAILED', 'The answer to the sign-in came from another authorization server.', {
      hint: 'Somebody may try to get hold of your sign-in. Do not repeat it before you know who.',
    })
}

function checkAnswer(answer: URLSearchParams, discovery: DiscoveryState | undefined): URLSearchParams {
  checkIssuer(answer, discovery)
  const [error, code] = [answer.get('error'), answer.getAll('code')]
  if (error !== null) {
    const shown = /^[a-z_]{1,64}$/u.test(error) ? error : 'of an unknown kind'
    throw new AppError('AUTH_FAILED', `The authorization server refused the sign-in: ${shown}.`)
  }
  if (code.length === 1) return answer
  throw new AppError('AUTH_FAILED', 'The answer to the sign-in has no code.')
}

export function createSignIns({ port, timeoutMs, openBrowser }: SignInOptions): SignIns {
  let [state, verifier] = ['', '']
  let found: DiscoveryState | undefined
  let current: SignIn | undefined
  const end = (why: string): void => {
    current?.listener.close(why)
    current = undefined
    verifier = ''
  }
  return {
    end,
    state: () => (state = randomBytes(stateBytes).toString('base64url')),
    saveCodeVerifier: (text: string) => void (verifier = text),
    codeVerifier: () => {
      if (verifier !== '') return verifier
      throw new AppError('AUTH_FAILED', 'No sign-in is under way.')
    },
    saveDiscoveryState: (discovery: DiscoveryState) => {
      checkDiscovery(discovery)
      found = discovery
    },
    // Remembered for one sign-in only: the next one asks again, and finds a server that has moved.
    discoveryState: () => current?.discovery,
    redirectToAuthorization: async (url: URL) => {
      // Browsers and shells take more than addresses of pages, and this one comes from a stranger.
      readEndpoint(url.href, 'The address of the sign-in')
      const challenge = verifier
      end('Another sign-in began.')
      const listener = await listenForRedirect({ port, state, timeoutMs })
      current = { listener, discovery: found }
      verifier = challenge
      await openBrowser(url)
    },
    returned: async () => {
      if (current === undefined) throw new AppError('AUTH_FAILED', 'No sign-in is under way.')
      const { listener, discovery } = current
      return checkAnswer(await listener.returned, discovery)
    },
  }
}
