import { createHmac } from 'node:crypto'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createAuthenticator, oauth, type AuthOutcome, type OAuthOptions } from '@muniment/auth'
import { asking, bearing, clockAt, outcomeOf, serve } from './request.ts'

const resource = 'https://mcp.example.com/mcp'
const startMs = Date.UTC(2026, 0, 5)

type Server = Awaited<ReturnType<typeof serve>>
interface Pair {
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
  readonly jwk: JWK
}

let [first, second, rsa, stranger]: Pair[] = []
let issuer: Server
let published: readonly JWK[] = []
let isDown = false
let revoked = new Set<string>()
let clock = clockAt(startMs)

async function pair(alg: string, kid: string): Promise<Pair> {
  const keys = await generateKeyPair(alg, { extractable: true })
  return { ...keys, jwk: { ...(await exportJWK(keys.publicKey)), kid, alg, use: 'sig' } }
}

beforeAll(async () => {
  first = await pair('ES256', 'k1')
  second = await pair('ES256', 'k2')
  stranger = await pair('ES256', 'k1')
  rsa = await pair('RS256', 'r1')
})

beforeEach(async () => {
  clock = clockAt(startMs)
  isDown = false
  revoked = new Set()
  published = [pick(first).jwk, pick(rsa).jwk]
  issuer = await serve((path, body, origin) => {
    if (isDown) return { status: 500 }
    if (path === '/.well-known/openid-configuration')
      return { body: { issuer: origin, jwks_uri: `${origin}/jwks` } }
    if (path === '/jwks') return { body: { keys: published } }
    if (path === '/moved') return { status: 302, headers: { location: `${origin}/jwks` } }
    if (path === '/vast') return { body: { keys: published, pad: 'x'.repeat(300_000) } }
    if (path !== '/introspect') return undefined
    const asked = new URLSearchParams(body).get('token') ?? ''
    const known = { active: true, sub: 'opal', aud: resource, scope: 'mcp:read', exp: startMs / 1000 + 600 }
    return { body: revoked.has(asked) ? { active: false } : known }
  })
})
afterEach(() => issuer.close())

function pick<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('missing')
  return value
}

interface Made {
  readonly by?: Pair | undefined
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: Readonly<Record<string, unknown>>
}

/** A token that would be taken, but for what is changed. */
async function token({ by = first, header = {}, claims = {} }: Made = {}): Promise<string> {
  const { privateKey, jwk } = pick(by)
  const nowS = startMs / 1000
  const payload = {
    iss: issuer.origin,
    aud: resource,
    sub: 'alice',
    client_id: 'desk',
    scope: 'mcp:read',
    iat: nowS,
    exp: nowS + 600,
  }
  return await new SignJWT({ ...payload, ...claims })
    .setProtectedHeader({ alg: jwk.alg ?? '', kid: jwk.kid ?? '', typ: 'at+jwt', ...header })
    .sign(privateKey)
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

async function claimsPart(): Promise<string> {
  return (await token()).split('.')[1] ?? ''
}

function method(options: Partial<OAuthOptions> = {}): ReturnType<typeof oauth> {
  return oauth({ issuer: issuer.origin, resources: [resource], now: clock.now, ...options })
}

function shortly(outcome: AuthOutcome): string {
  return 'refusal' in outcome ? `${outcome.refusal.status} ${outcome.reason}` : outcome.principal.id
}

async function tell(given: string, options: Partial<OAuthOptions> = {}): Promise<string> {
  return shortly(await outcomeOf(method(options), bearing(given)))
}

describe('a token that is meant for this resource', () => {
  test('names its principal, with client, issuer and scopes', async () => {
    expect(await outcomeOf(method(), bearing(await token()))).toEqual({
      principal: {
        id: 'alice',
        client_id: 'desk',
        issuer: issuer.origin,
        scopes: ['mcp:read'],
        method: 'oauth',
      },
      reason: 'oauth',
      expiresAtMs: startMs + 600_000,
    })
  })

  test.each<[string, unknown, string | undefined, string | undefined]>([
    ['the tenant of the claim that is named', 'acme', 'org', 'acme'],
    ['none where no claim is named', 'acme', undefined, undefined],
    ['none where another claim is named', 'acme', 'team', undefined],
    ['none where the claim is a list', ['acme', 'globex'], 'org', undefined],
    ['none where the claim is no name of a tenant', 'Acme/../globex', 'org', undefined],
    ['none where it is every tenant', '*', 'org', undefined],
  ])('names %s', async (...[, org, tenantClaim, expected]) => {
    const outcome = await outcomeOf(method({ tenantClaim }), bearing(await token({ claims: { org } })))
    expect('tenant' in outcome ? outcome.tenant : undefined).toBe(expected)
  })

  test.each<[string, Made, string]>([
    ['of a list of audiences', { claims: { aud: ['https://else.example', resource] } }, 'alice'],
    ['that expired less than the clock skew ago', { claims: { exp: startMs / 1000 - 20 } }, 'alice'],
    ['of a client for itself', { claims: { sub: undefined } }, 'desk'],
    ['with the full media type', { header: { typ: 'application/at+jwt' } }, 'alice'],
  ])('is taken %s', async (_, made, expected) => {
    expect(await tell(await token(made))).toBe(expected)
  })

  test('is verified once: afterwards it is known by its hash, without asking for keys, until it expires', async () => {
    const way = method({ cacheMs: 3_600_000 })
    const given = await token()
    expect(shortly(await outcomeOf(way, bearing(given)))).toBe('alice')
    isDown = true
    const recalled = way.check(bearing(given))
    expect(recalled).toMatchObject({ kind: 'accepted' })
    clock.pass(631_000)
    expect(shortly(await outcomeOf(way, bearing(given)))).toBe('401 token_expired')
  })
})

describe('refused is a token', () => {
  test.each<[string, Made, string]>([
    ['for another audience', { claims: { aud: 'https://mcp.example.com/other' } }, 'token_aud_refused'],
    ['for no audience', { claims: { aud: undefined } }, 'token_aud_refused'],
    ['of another issuer', { claims: { iss: 'https://evil.example' } }, 'token_iss_refused'],
    ['of no issuer', { claims: { iss: undefined } }, 'token_iss_refused'],
    ['of an issuer that is no text', { claims: { iss: 5 } }, 'token_iss_refused'],
    ['that expired', { claims: { exp: startMs / 1000 - 31 } }, 'token_expired'],
    ['that never expires', { claims: { exp: undefined } }, 'token_exp_refused'],
    ['that is not valid yet', { claims: { nbf: startMs / 1000 + 31 } }, 'token_nbf_refused'],
    ['of nobody', { claims: { sub: undefined, client_id: undefined } }, 'token_without_subject'],
    ['that is an ID token', { header: { typ: 'JWT' } }, 'token_type_refused'],
    ['of no type', { header: { typ: undefined } }, 'token_type_refused'],
    ['bound to a key that is not shown', { claims: { cnf: { jkt: 'x' } } }, 'token_bound_to_unknown_proof'],
    [
      'bound to a certificate that is not shown',
      { claims: { cnf: { 'x5t#S256': 'x' } } },
      'token_bound_to_certificate',
    ],
  ])('%s', async (_, made, reason) => {
    expect(await tell(await token(made))).toBe(`401 ${reason}`)
  })

  test('forged: signed by a stranger under a known key id', async () => {
    expect(await tell(await token({ by: stranger }))).toBe('401 token_signature_wrong')
  })

  test('with a changed claim', async () => {
    const [head = '', , signature = ''] = (await token()).split('.')
    const claims = part({ iss: issuer.origin, aud: resource, sub: 'root', exp: startMs / 1000 + 600 })
    expect(await tell(`${head}.${claims}.${signature}`)).toBe('401 token_signature_wrong')
  })

  test.each(['none', 'None', 'nOnE'])('with the algorithm %s', async alg => {
    const head = part({ alg, typ: 'at+jwt', kid: 'k1' })
    expect(await tell(`${head}.${await claimsPart()}.`)).toBe('401 token_algorithm_refused')
  })

  test('signed with the public key as a shared secret (HS256)', async () => {
    const { publicKey, jwk } = pick(rsa)
    for (const secret of [await exportSPKI(publicKey), JSON.stringify(jwk)]) {
      const text = `${part({ alg: 'HS256', typ: 'at+jwt', kid: 'r1' })}.${await claimsPart()}`
      const mac = createHmac('sha256', secret).update(text).digest('base64url')
      expect(await tell(`${text}.${mac}`)).toBe('401 token_algorithm_refused')
    }
  })

  test('signed with a secret that the key set holds by mistake', async () => {
    published = [{ kty: 'oct', k: Buffer.from('x'.repeat(32)).toString('base64url'), kid: 's', alg: 'HS256' }]
    const text = `${part({ alg: 'HS256', typ: 'at+jwt', kid: 's' })}.${await claimsPart()}`
    const mac = createHmac('sha256', 'x'.repeat(32)).update(text).digest('base64url')
    expect(await tell(`${text}.${mac}`)).toBe('401 token_algorithm_refused')
  })

  test('that brings its own key or says where it is; nobody goes there', async () => {
    const { jwk } = pick(stranger)
    const elsewhere = await serve(() => ({ body: { keys: [jwk] } }))
    for (const header of [
      { jwk },
      { jku: `${elsewhere.origin}/jwks` },
      { x5u: `${elsewhere.origin}/cert` },
      { jku: `${elsewhere.origin}/jwks`, kid: 'own' },
    ])
      expect(await tell(await token({ by: stranger, header }))).toMatch(
        /^401 token_(?:signature_wrong|key_unknown)$/u,
      )
    expect(elsewhere.hits.size).toBe(0)
    elsewhere.close()
  })

  test('with an extension that must be understood and is not', async () => {
    const head = part({ alg: 'ES256', typ: 'at+jwt', kid: 'k1', crit: ['exp'], exp: 1 })
    expect(await tell(`${head}.${await claimsPart()}.c2ln`)).toBe('401 token_malformed')
  })

  test.each(['a.b', 'x', 'é.é.é', 'a'.repeat(20_000), '..', 'eyJ.eyJ.eyJ'])(
    'that is none: %.12s',
    async text => {
      expect(await tell(text)).toMatch(/^401 (?:token_malformed|no_credential)$/u)
    },
  )
})

describe('a token at one of several resources', () => {
  const resources = ['https://mcp.example.com/files', 'https://mcp.example.com/notes']
  test.each([
    ['/files', '/files', 'alice'],
    ['/files', '/files/deeper?x=1', 'alice'],
    ['/files', '/notes', '401 token_aud_refused'],
    ['/files', '/filesystem', '401 token_for_no_resource'],
  ])('made for %s and used at %s: %s', async (aud, target, expected) => {
    const way = method({ resources })
    const given = await token({ claims: { aud: `https://mcp.example.com${aud}` } })
    expect(shortly(await outcomeOf(way, bearing(given, { target: aud })))).toBe('alice')
    expect(shortly(await outcomeOf(way, bearing(given, { target })))).toBe(expected)
  })
})

describe('scopes', () => {
  test('that are missing lead to a step-up challenge with all that is needed', async () => {
    const outcome = await outcomeOf(method({ scopes: ['mcp:read', 'mcp:write'] }), bearing(await token()))
    expect(outcome).toMatchObject({
      refusal: {
        code: 'ACCESS_DENIED',
        status: 403,
        headers: {
          'WWW-Authenticate':
            'Bearer error="insufficient_scope", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="mcp:read mcp:write"',
        },
      },
    })
  })

  test('may be a list under `scp`', async () => {
    const given = await token({ claims: { scope: undefined, scp: ['mcp:read'] } })
    expect(await tell(given, { scopes: ['mcp:read'] })).toBe('alice')
  })
})

describe('who has no token, or a bad one', () => {
  const where = 'resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"'
  test.each([
    ['none', asking(), `Bearer ${where}, scope="mcp:read"`],
    ['one in the query', asking({}, { target: '/mcp?access_token=x' }), `Bearer ${where}, scope="mcp:read"`],
    ['another scheme', asking({ authorization: 'Basic YTpi' }), `Bearer ${where}, scope="mcp:read"`],
    ['a bad one', bearing('x.y.z"\r\nSet-Cookie: a=b'), `Bearer ${where}, scope="mcp:read"`],
    ['a malformed one', bearing('x.y.z'), `Bearer error="invalid_token", ${where}, scope="mcp:read"`],
  ])('%s is told where to learn more', async (_, request, challenge) => {
    const outcome = await outcomeOf(method({ scopes: ['mcp:read'] }), request)
    expect(outcome).toMatchObject({ refusal: { status: 401, headers: { 'WWW-Authenticate': challenge } } })
  })

  test('finds the RFC 9728 document there', () => {
    const way = createAuthenticator({
      methods: [method({ scopes: ['mcp:read'], scopesSupported: ['mcp:write'] })],
    })
    expect(way.document('/.well-known/oauth-protected-resource/mcp')).toEqual({
      resource,
      authorization_servers: [issuer.origin],
      scopes_supported: ['mcp:read', 'mcp:write'],
      bearer_methods_supported: ['header'],
    })
    expect(way.document('/.well-known/oauth-protected-resource')).toBeUndefined()
  })
})

describe('keys of the issuer', () => {
  test('are read anew when a token names a new one, and an old one is trusted no longer than its time', async () => {
    const way = method({ cacheMs: 0 })
    const [old, fresh] = [await token(), await token({ by: second })]
    expect(shortly(await outcomeOf(way, bearing(old)))).toBe('alice')
    published = [pick(second).jwk]
    expect(shortly(await outcomeOf(way, bearing(fresh)))).toBe('401 token_key_unknown')
    clock.pass(30_001)
    expect(shortly(await outcomeOf(way, bearing(fresh)))).toBe('alice')
    expect(shortly(await outcomeOf(way, bearing(old)))).toBe('401 token_key_unknown')
  })

  test('a flood of unknown key ids asks for them once per cooldown', async () => {
    const way = method()
    await outcomeOf(way, bearing(await token()))
    clock.pass(30_001)
    const flood = await Promise.all(
      Array.from({ length: 200 }, async (_, at) => await token({ header: { kid: `x${at}` } })),
    )
    await Promise.all(flood.map(async each => await outcomeOf(way, bearing(each))))
    expect(issuer.hits.get('/jwks')).toBe(2)
  })

  test('that cannot be read: held ones serve for a time, then nobody is let in and the caller learns no more than that', async () => {
    const way = method({ cacheMs: 0 })
    const given = await token({ claims: { exp: startMs / 1000 + 86_400 } })
    expect(shortly(await outcomeOf(way, bearing(given)))).toBe('alice')
    isDown = true
    clock.pass(3_000_000)
    expect(shortly(await outcomeOf(way, bearing(given)))).toBe('alice')
    clock.pass(2_000_000)
    expect(await outcomeOf(way, bearing(given))).toEqual({
      refusal: { code: 'SERVICE_ERROR', status: 503, headers: { 'Retry-After': '5' } },
      reason: 'issuer_unreachable',
    })
    const asked = issuer.hits.get('/.well-known/openid-configuration')
    await Promise.all(Array.from({ length: 100 }, async () => await outcomeOf(way, bearing(given))))
    expect(issuer.hits.get('/.well-known/openid-configuration')).toBe(asked)
  })

  test.each(['/moved', '/vast', '/nothing'])(
    'are not taken from %s: no redirect, no flood, no error page',
    async path => {
      expect(await tell(await token(), { jwksUri: `${issuer.origin}${path}` })).toBe('503 issuer_unreachable')
      expect(issuer.hits.get('/jwks')).toBeUndefined()
    },
  )

  test('where a token names none are tried in turn', async () => {
    published = [pick(second).jwk, pick(first).jwk].map(({ kty = '', crv = '', x = '', y = '' }) => ({
      kty,
      crv,
      x,
      y,
    }))
    expect(await tell(await token({ header: { kid: undefined } }))).toBe('alice')
    expect(await tell(await token({ by: stranger, header: { kid: undefined } }))).toBe(
      '401 token_signature_wrong',
    )
  })
})

function introspecting(cacheMs: number): Partial<OAuthOptions> {
  const url = `${issuer.origin}/introspect`
  return { introspection: { url, clientId: 'guard', clientSecret: 'pässword', cacheMs } }
}

describe('introspection', () => {
  test('takes opaque tokens that are active and for this resource', async () => {
    expect(await tell('opaque', introspecting(0))).toBe('opal')
    expect(await tell('opaque', { ...introspecting(0), resources: ['https://other.example/mcp'] })).toBe(
      '401 token_aud_refused',
    )
    expect(await tell('opaque')).toBe('401 token_malformed')
  })

  test('refuses a token that is replayed after it was revoked, as soon as the answer before is too old', async () => {
    const way = method(introspecting(10_000))
    const given = await token()
    expect(shortly(await outcomeOf(way, bearing(given)))).toBe('alice')
    revoked.add(given)
    clock.pass(10_001)
    expect(shortly(await outcomeOf(way, bearing(given)))).toBe('401 token_inactive')
  })

  test('that does not answer lets nobody in', async () => {
    const way = method({ ...introspecting(0), jwksUri: `${issuer.origin}/jwks` })
    const given = await token()
    expect(shortly(await outcomeOf(way, bearing(given)))).toBe('alice')
    isDown = true
    expect(shortly(await outcomeOf(way, bearing(given)))).toBe('503 issuer_unreachable')
  })

  test('`forget` makes every token prove itself again', async () => {
    const way = method(introspecting(3_600_000))
    const given = await token()
    await outcomeOf(way, bearing(given))
    revoked.add(given)
    expect(shortly(await outcomeOf(way, bearing(given)))).toBe('alice')
    way.forget()
    expect(shortly(await outcomeOf(way, bearing(given)))).toBe('401 token_inactive')
  })
})

test.each<[string, Partial<OAuthOptions>, string]>([
  ['an issuer in the clear', { issuer: 'http://idp.example.com' }, 'issuer'],
  ['an issuer with a password', { issuer: 'https://a:b@idp.example.com' }, 'issuer'],
  ['keys in a file', { jwksUri: 'file:///etc/passwd' }, 'jwksUri'],
  ['keys at a link-local address', { jwksUri: 'http://169.254.169.254/jwks' }, 'jwksUri'],
  ['no resource', { resources: [] }, 'No resource'],
  ['a resource with a fragment', { resources: ['https://a.example/#x'] }, 'resource'],
  ['the algorithm none', { algorithms: ['none'] }, '"none"'],
  ['a shared secret', { algorithms: ['RS256', 'HS256'] }, '"HS256"'],
  ['no algorithm', { algorithms: [] }, 'algorithm'],
  ['a scope that breaks out of the challenge', { scopes: ['a"b'] }, 'not a scope'],
])('%s stops the start', (_, options, named) => {
  expect(() => method(options)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(named) }),
  )
})
