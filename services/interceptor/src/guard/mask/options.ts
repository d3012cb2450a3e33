import { randomBytes } from 'node:crypto'
import { roundTripKeysUnder } from '@muniment/keys/round-trip'
import type { VaultKeys, VaultStore } from '@muniment/pii'
import { AppError } from '@muniment/schema'
import type { Soon } from '../../soon.ts'
import type { NameConversation } from './conversation.ts'
import { createEngine, type Engine, type EngineOptions } from './engine.ts'
import type { MaskPolicy } from './rules.ts'
import { createMemoryVault } from './vault.ts'

/** Where tokens wait until a model uses them. */
export interface RoundTripOptions {
  /** How long a token can be restored; default one hour after it was last given. */
  readonly ttlMs?: number
  /** Shared by several processes, together with `keys`; by default the memory of this one, under a key that dies with it. */
  readonly store?: VaultStore
  readonly keys?: () => Soon<VaultKeys>
  /** Names the conversation of a request; by default its session, or in the modern era `gen_ai.conversation.id` in the baggage of its `_meta`. */
  readonly conversation?: NameConversation
}

/** What is masked before the model, and for whom not. */
export interface MaskBeforeModelOptions {
  /** Default true; with `false` only the setting `MASK_PII_BEFORE_LLM` and the header `X-Mask-PII-Before-LLM` turn masking on. */
  readonly mask?: boolean
  /** What `MASK_PII_BEFORE_LLM` says, where it is not the environment that says it. */
  readonly setting?: boolean
  /** Verified principals, as `issuer|id` or `id`, whose header may turn masking off; `*` is everybody. */
  readonly relaxFor?: readonly string[]
  /** What becomes of which kind where; by default tokens that are restored in later arguments. */
  readonly policy?: MaskPolicy
  /** `false` gives no tokens: what is found is removed. */
  readonly roundTrip?: false | RoundTripOptions
  /** Longest message that is masked (default 8 Mi characters); a longer one is refused. */
  readonly maxCharacters?: number
}

const hourMs = 3_600_000
const defaultCharacters = 8 * 1024 * 1024

/** A store outlives the process, so its keys must too. */
function vaultOf({ store, keys }: RoundTripOptions): Pick<EngineOptions, 'store' | 'keys'> {
  if (store !== undefined && keys !== undefined) return { store, keys }
  if (store !== undefined || keys !== undefined)
    throw new AppError(
      'CONFIG_INVALID',
      'maskBeforeModel() was given a store without keys, or keys without a store.',
    )
  const own = roundTripKeysUnder(randomBytes(32), randomBytes)
  return { store: createMemoryVault(Date.now), keys: () => own }
}

/** Throws `CONFIG_INVALID` for options that cannot be meant. */
export function openEngine(options: MaskBeforeModelOptions): Engine {
  const { policy = {}, maxCharacters = defaultCharacters, roundTrip } = options
  const trip = roundTrip === false ? {} : (roundTrip ?? {})
  const vault = vaultOf(trip)
  try {
    return createEngine({ ...vault, policy, maxCharacters, ttlMs: trip.ttlMs ?? hourMs, now: Date.now })
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new AppError('CONFIG_INVALID', cause.message, { cause })
  }
}
