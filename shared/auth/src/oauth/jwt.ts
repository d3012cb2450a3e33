import { errors, jwtVerify, type CryptoKey, type JWTVerifyOptions } from 'jose'
import { isAppError } from '@muniment/schema'
import type { KeySet } from './jwks.ts'
import type { Members } from './json.ts'

/** What a signed token must be like, whatever it is for. */
export interface JwtRules {
  /** `typ`, in lower case and without `application/`. */
  readonly types: readonly string[]
  readonly verify: JWTVerifyOptions
  readonly keys: KeySet
  readonly now: () => number
}

/** The word for what `jose` found wrong; the words of a stranger's token are not repeated. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'token_expired'
  if (error instanceof errors.JWTClaimValidationFailed)
    return /^[a-z]{2,16}$/u.test(error.claim) ? `token_${error.claim}_refused` : 'token_claim_refused'
  if (error instanceof errors.JOSEAlgNotAllowed) return 'token_algorithm_refused'
  if (error instanceof errors.JWKSNoMatchingKey) return 'token_key_unknown'
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'token_signature_wrong'
  return 'token_malformed'
}

function isOfType({ types }: JwtRules, typ: string | undefined): boolean {
  const name = typ?.toLowerCase().replace(/^application\//u, '')
  return name !== undefined && types.includes(name)
}

type KeyOrFind = CryptoKey | KeySet['find']

async function payloadOf(
  state: JwtRules,
  { token, key }: { readonly token: string; readonly key: KeyOrFind },
  options: JWTVerifyOptions,
): Promise<Members | undefined> {
  const { payload, protectedHeader } = await (typeof key === 'function'
    ? jwtVerify(token, key, options)
    : jwtVerify(token, key, options))
  return isOfType(state, protectedHeader.typ) ? payload : undefined
}

/** The first of several keys under which the token's signature is right. */
async function payloadOfAny(
  state: JwtRules,
  { token, keys }: { readonly token: string; readonly keys: AsyncIterable<CryptoKey> },
  options: JWTVerifyOptions,
): Promise<Members | undefined> {
  for await (const key of keys)
    try {
      return await payloadOf(state, { token, key }, options)
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error
    }
  throw new errors.JWSSignatureVerificationFailed()
}

/** Where a token names no key and several fit, they are tried one after the other. */
async function verifiedPayload(
  state: JwtRules,
  token: string,
  options: JWTVerifyOptions,
): Promise<Members | undefined> {
  try {
    return await payloadOf(state, { token, key: state.keys.find }, options)
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    return await payloadOfAny(state, { token, keys: error }, options)
  }
}

/**
 * The claims of a signed token, or the word for why it is not taken: first the signature is checked, by a key of the issuer and an algorithm that is allowed, then
 * what it claims. Keys that the token brings along (`jwk`, `jku`, `x5u`) are not looked at. Rejects where keys cannot be read.
 */
export async function verifyJwt(
  state: JwtRules,
  token: string,
  audiences: readonly string[],
): Promise<Members | string> {
  const currentDate = new Date(state.now())
  try {
    const audience = [...audiences]
    const payload = await verifiedPayload(state, token, { ...state.verify, audience, currentDate })
    return payload ?? 'token_type_refused'
  } catch (error) {
    if (isAppError(error)) throw error
    return reasonOf(error)
  }
}
