import { readFile } from 'node:fs/promises'
import { AppError } from '@muniment/schema'
import { z } from 'zod'
import { apiKeys } from './api-keys/method.ts'
import type { ApiKeyShelves } from './api-keys/shelves.ts'
import { createAuthenticator, type Authenticator } from './authenticator.ts'
import type { Method } from './method.ts'
import { readRevocationLists } from './mtls/crl.ts'
import { mutualTls } from './mtls/method.ts'
import { oauth } from './oauth/method.ts'
import type { OAuthOptions } from './oauth/options.ts'

const text = z.string().min(1).max(4096)
const texts = z.array(text).min(1).max(64)
const seconds = (most: number): z.ZodNumber => z.number().min(0).max(most)
const ways = ['oauth', 'api_keys', 'certificates'] as const

const introspection = z.strictObject({
  url: text,
  client_id: text,
  client_secret_file: text,
  tokens: z.enum(['all', 'opaque']).optional(),
  cache_seconds: seconds(3600).optional(),
})

const issuer = z.strictObject({
  issuer: text,
  /** Addresses under which clients call; default those of the server that is guarded. */
  resources: texts.optional(),
  jwks_uri: text.optional(),
  scopes: texts.optional(),
  scopes_supported: texts.optional(),
  /** The claim that names the caller's tenant. */
  tenant_claim: text.optional(),
  algorithms: texts.optional(),
  types: texts.optional(),
  clock_skew_seconds: seconds(300).optional(),
  cache_seconds: seconds(3600).optional(),
  introspection: introspection.optional(),
})

/** The section `auth` of `muniment.yaml`. */
export const authSectionSchema = z.strictObject({
  require: z.enum(['any', 'all']).optional(),
  /** In which order ways are asked; names each that is configured. */
  order: z.array(z.enum(ways)).min(1).max(ways.length).optional(),
  oauth: z.array(issuer).min(1).max(16).optional(),
  api_keys: z.strictObject({ scopes: texts.optional() }).optional(),
  certificates: z
    .strictObject({
      authorities_file: text,
      crl_files: texts.optional(),
      revocation: z.enum(['require', 'known']).optional(),
      names: z
        .array(z.enum(['uri', 'email', 'dns']))
        .min(1)
        .max(3)
        .optional(),
    })
    .optional(),
  failures: z
    .strictObject({
      free: z.number().int().min(1).max(1000).optional(),
      first_wait_seconds: z.number().min(0.1).max(3600).optional(),
      longest_wait_seconds: z.number().min(1).max(86_400).optional(),
    })
    .optional(),
})

/** What the section says. */
export type AuthSection = z.output<typeof authSectionSchema>

/** What a section does not say. */
export interface AuthSite {
  readonly shelves: ApiKeyShelves
  /** API keys of other tenants are as good as unknown; `undefined` = those of all tenants hold. */
  readonly tenant: string | undefined
  /** Addresses under which clients call the server that is guarded. */
  readonly resources: readonly string[]
  readonly now: () => number
}

type Way = (typeof ways)[number]

async function readAll(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `${path}, which the section auth names, cannot be read.`, { cause })
  }
}

function ms(value: number | undefined): number | undefined {
  return value === undefined ? undefined : value * 1000
}

type Introspection = NonNullable<NonNullable<AuthSection['oauth']>[number]['introspection']>

async function introspectionOf(
  from: Introspection | undefined,
): Promise<OAuthOptions['introspection'] | undefined> {
  if (from === undefined) return undefined
  const secret = (await readAll(from.client_secret_file)).toString('utf8').trim()
  if (secret === '')
    throw new AppError('CONFIG_INVALID', `${from.client_secret_file}, which auth.oauth names, is empty.`)
  const { url, client_id: clientId, tokens, cache_seconds: cache } = from
  return { url, clientId, clientSecret: secret, tokens, cacheMs: ms(cache) }
}

type Issuer = NonNullable<AuthSection['oauth']>[number]

async function issuerOf(from: Issuer, { resources, now }: AuthSite): Promise<Method> {
  return oauth({
    issuer: from.issuer,
    resources: from.resources ?? resources,
    jwksUri: from.jwks_uri,
    scopes: from.scopes,
    scopesSupported: from.scopes_supported,
    tenantClaim: from.tenant_claim,
    algorithms: from.algorithms,
    types: from.types,
    clockSkewMs: ms(from.clock_skew_seconds),
    cacheMs: ms(from.cache_seconds),
    introspection: await introspectionOf(from.introspection),
    now,
  })
}

async function certificatesOf(
  from: NonNullable<AuthSection['certificates']>,
  { now }: AuthSite,
): Promise<Method> {
  const { crl_files: files, revocation, names } = from
  const readLists = files && (async () => await Promise.all(files.map(readAll)))
  // What cannot be read must stop the start; later, what was read before holds.
  for (const list of (await readLists?.()) ?? []) await readRevocationLists(list)
  const authorities = (await readAll(from.authorities_file)).toString('utf8')
  return mutualTls({ authorities, names, readLists, revocation, now })
}

async function methodsOf(section: AuthSection, way: Way, site: AuthSite): Promise<readonly Method[]> {
  const { oauth: issuers = [], api_keys: keys, certificates } = section
  if (way === 'oauth') return await Promise.all(issuers.map(async each => await issuerOf(each, site)))
  if (way === 'certificates')
    return certificates === undefined ? [] : [await certificatesOf(certificates, site)]
  if (keys === undefined) return []
  return [apiKeys({ ...site.shelves, now: site.now, tenant: site.tenant, scopes: keys.scopes })]
}

function orderOf(section: AuthSection): readonly Way[] {
  const configured = ways.filter(way => section[way] !== undefined)
  const { order = configured } = section
  const isWhole = order.length === configured.length && configured.every(way => order.includes(way))
  if (isWhole) return order
  throw new AppError('CONFIG_INVALID', 'auth.order does not name each way that is configured, once.', {
    hint: `Configured are ${configured.join(', ') || 'none'}.`,
  })
}

/** What the section `auth` says, ready to ask. Rejects with `CONFIG_INVALID` where any of it cannot be meant, or a file cannot be read. */
export async function openAuthenticator(section: AuthSection, site: AuthSite): Promise<Authenticator> {
  const { require, failures } = section
  const order = orderOf(section)
  if (require === 'all' && (section.oauth?.length ?? 0) > 1)
    throw new AppError('CONFIG_INVALID', 'auth.require is all, but no token has several issuers.', {
      hint: 'Name one issuer under auth.oauth, or set require: any.',
    })
  const methods = await Promise.all(order.map(async way => await methodsOf(section, way, site)))
  return createAuthenticator({
    methods: methods.flat(),
    require,
    failures: {
      free: failures?.free,
      baseMs: ms(failures?.first_wait_seconds),
      maxMs: ms(failures?.longest_wait_seconds),
      now: site.now,
    },
  })
}
