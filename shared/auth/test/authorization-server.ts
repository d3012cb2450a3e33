import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { errors, Provider } from 'oidc-provider'
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js'

/** An authorization server that others wrote, on this machine. */
export interface AuthorizationServer {
  readonly issuer: string
  /** Signs with a new key from now on; the old one is gone from the key set. */
  readonly rotate: () => void
  /** A token of the client `robot` for itself. */
  readonly clientToken: (resource: string, scope?: string) => Promise<string>
  readonly close: () => void
}

const nativeClient = {
  client_id: 'desk',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
}
const robot = {
  client_id: 'robot',
  client_secret: 'made-up-secret',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
}
const [on, off, alg] = [{ enabled: true }, { enabled: false }, 'ES256']

/** Scopes by resource. */
type Resources = Readonly<Record<string, string>>

function scopesOf(resources: Resources): string[] {
  return ['openid', 'offline_access', ...Object.values(resources).flatMap(scopes => scopes.split(' '))]
}

function features(resources: Resources, ttlS: number): object {
  return {
    devInteractions: off,
    userinfo: off,
    clientCredentials: on,
    registration: on,
    introspection: on,
    revocation: on,
    resourceIndicators: {
      ...on,
      useGrantedResource: () => true,
      defaultResource: (_: unknown, __: unknown, one?: string) => one ?? Object.keys(resources)[0],
      getResourceServerInfo: (_: unknown, resource: string) => {
        const scope = resources[resource]
        if (scope === undefined) throw new errors.InvalidTarget()
        return {
          scope,
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: ttlS,
          jwt: { sign: { alg } },
        }
      },
    },
  }
}

/** Lets everybody in as whom `login_hint` names, without asking. */
function letIn(provider: Provider): void {
  provider.use(async (context, next) => {
    if (!context.path.startsWith('/interaction/')) return await next()
    context.respond = false
    const { params, prompt, grantId } = await provider.interactionDetails(context.req, context.res)
    const accountId = typeof params['login_hint'] === 'string' ? params['login_hint'] : 'alice'
    const done = prompt.name === 'login' ? { login: { accountId } } : { consent: { grantId } }
    return await provider.interactionFinished(context.req, context.res, done, {
      mergeWithLastSubmission: true,
    })
  })
}

function providerAt(issuer: string, kid: string, { resources, ttlS, adapter }: Options): Provider {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const provider = new Provider(issuer, {
    adapter,
    clients: [nativeClient, robot],
    clientDefaults: { id_token_signed_response_alg: alg },
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' }] },
    cookies: { keys: ['made-up'] },
    clientAuthMethods: ['none', 'client_secret_basic'],
    // Clients name the scopes of a resource when they register.
    scopes: scopesOf(resources),
    responseTypes: ['code'],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    ttl: {
      AccessToken: ttlS,
      ClientCredentials: ttlS,
      RefreshToken: 3600,
      Session: 3600,
      Interaction: 300,
      Grant: 3600,
      IdToken: 300,
    },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({
        clientId: oidc.client.clientId,
        accountId: oidc.session.accountId,
      })
      grant.addOIDCScope(scopesOf(resources).join(' '))
      for (const [resource, scope] of Object.entries(resources)) grant.addResourceScope(resource, scope)
      await grant.save()
      return grant
    },
    features: features(resources, ttlS),
  })
  letIn(provider)
  return provider
}

interface Options {
  readonly resources: Resources
  readonly ttlS: number
  /** What it remembers; outlives its keys. */
  readonly adapter: unknown
}

async function clientToken(issuer: string, resource: string, scope?: string): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${robot.client_id}:${robot.client_secret}`).toString('base64')}`,
    },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      resource,
      ...(scope !== undefined && { scope }),
    }),
  })
  const answer: unknown = await response.json()
  return typeof answer === 'object' && answer !== null && 'access_token' in answer
    ? String(answer.access_token)
    : ''
}

/** Starts it for resources with their scopes. */
export async function startAuthorizationServer(
  resources: Resources,
  ttlS = 300,
): Promise<AuthorizationServer> {
  const server = createServer()
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  // eslint-disable-next-line typescript/no-unsafe-type-assertion
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const adapter = createMemoryAdapter()
  let generation = 0
  const use = (): void => {
    generation += 1
    server.removeAllListeners('request')
    server.on('request', providerAt(issuer, `k${generation}`, { resources, ttlS, adapter }).callback())
  }
  use()
  return {
    issuer,
    rotate: use,
    clientToken: async (resource, scope) => await clientToken(issuer, resource, scope),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
