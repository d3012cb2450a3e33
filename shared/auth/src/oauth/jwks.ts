import {
  createLocalJWKSet,
  errors,
  type CryptoKey,
  type FlattenedJWSInput,
  type JWK,
  type JWSHeaderParameters,
} from 'jose'
import { isMembers } from './json.ts'

/** The keys that an issuer signs with, read when needed. */
export interface KeySet {
  /** The key that a token's header names. Throws what `jose` throws where there is none, and `DEPENDENCY_UNREACHABLE` where the keys cannot be read. */
  readonly find: (header: JWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey>
}

/** How keys are kept. */
export interface KeySetOptions {
  /** Reads the JWK set. */
  readonly load: () => Promise<unknown>
  readonly now: () => number
  /** After which time keys are read again (default 10 min). A key that the issuer took out is trusted that long. */
  readonly maxAgeMs?: number
  /** Between two attempts to read them, whatever tokens name (default 30 s). */
  readonly cooldownMs?: number
  /** How long keys are trusted while they cannot be read (default 1 h). */
  readonly staleMs?: number
}

type Find = ReturnType<typeof createLocalJWKSet>

const mostKeys = 64
const asymmetric = new Set(['RSA', 'EC', 'OKP', 'AKP'])

/** A secret that lies in a public document would let everybody sign. */
function isUsable(key: unknown): key is JWK {
  return isMembers(key) && asymmetric.has(String(key['kty'])) && key['use'] !== 'enc'
}

function readKeys(value: unknown): Find {
  const keys = isMembers(value) && Array.isArray(value['keys']) ? value['keys'] : []
  return createLocalJWKSet({ keys: keys.filter(isUsable).slice(0, mostKeys) })
}

interface State extends Required<KeySetOptions> {
  held: { readonly find: Find; readonly readMs: number } | undefined
  reading: Promise<void> | undefined
  triedMs: number
  failure: Error
}

async function read(state: State): Promise<void> {
  state.triedMs = state.now()
  try {
    state.held = { find: readKeys(await state.load()), readMs: state.now() }
  } catch (error) {
    state.failure = error instanceof Error ? error : new Error('The keys cannot be read.', { cause: error })
  }
}

/** Reads anew, or waits for who does; whether that was not done just now. */
async function refresh(state: State): Promise<boolean> {
  if (state.reading === undefined && state.now() - state.triedMs < state.cooldownMs) return false
  state.reading ??= read(state).finally(() => {
    state.reading = undefined
  })
  await state.reading
  return true
}

async function current(state: State): Promise<Find> {
  const age = (): number => state.now() - (state.held?.readMs ?? Number.NEGATIVE_INFINITY)
  if (age() >= state.maxAgeMs) await refresh(state)
  const { held, failure, maxAgeMs, staleMs } = state
  if (held !== undefined && age() < maxAgeMs + staleMs) return held.find
  throw failure
}

/** Keys of one issuer: of readers at once one reads, and unknown key ids cause one reading per `cooldownMs`, not one each. */
export function createKeySet(options: KeySetOptions): KeySet {
  const state: State = {
    maxAgeMs: 600_000,
    cooldownMs: 30_000,
    staleMs: 3_600_000,
    ...options,
    held: undefined,
    reading: undefined,
    triedMs: Number.NEGATIVE_INFINITY,
    failure: new Error('The keys were never read.'),
  }
  return {
    find: async (header, token) => {
      const find = await current(state)
      try {
        return await find(header, token)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey) || !(await refresh(state))) throw error
        const findNow = await current(state)
        return await findNow(header, token)
      }
    },
  }
}
