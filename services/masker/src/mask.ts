import { createMasker as createPiiMasker, type MaskOptions, type Policy } from '@muniment/pii'
import { programNames } from '@muniment/pii/mcp'
import { keyedFunctions, type MaskingKeys } from '@muniment/keys'
import type { Mask, Origin } from './build-event.ts'
import type { VaultedTokens } from './vaulted.ts'

const maxKept = 5000
const maxKeptLength = 128

type Short = Mask['short']

/** Lengths first, so that no two of them run into one another. */
function keyOf(text: string, { tenant, server, tool }: Origin): string {
  return `${text.length} ${tenant.length} ${server.length} ${text}${tenant}${server}${tool}`
}

/** Names of tools, servers and clients come again and again: what was masked once is kept, within bounds. */
function remember(mask: Short): Short {
  const kept = new Map<string, string>()
  return (text, origin) => {
    if (text.length > maxKeptLength) return mask(text, origin)
    const key = keyOf(text, origin)
    const known = kept.get(key)
    if (known !== undefined) return known
    const masked = mask(text, origin)
    if (kept.size >= maxKept) kept.clear()
    kept.set(key, masked)
    return masked
  }
}

function archived(origin: Origin): MaskOptions {
  return { ...origin, surface: 'archive' }
}

function isVaulted({ rules = [], otherwise }: Policy): boolean {
  const actions = [...rules.map(({ action }) => action), otherwise]
  return actions.some(action => action?.kind === 'token' && action.isVaulted === true)
}

/** The mask of a policy. Throws a `RangeError` that names every issue of a policy that cannot be used. */
export function createMask(policy: Policy = {}, vaulted?: VaultedTokens): Mask {
  const rules = [programNames, ...(policy.rules ?? [])]
  const { mask, version } = createPiiMasker({ ...policy, rules, ...(vaulted && { vault: vaulted.token }) })
  const short: Short = (text, origin) => mask(text, { ...archived(origin), json: false }).text
  return {
    version,
    message: (text, origin) => mask(text, archived(origin)),
    // A token that is remembered here would outlive the person's row.
    short: isVaulted(policy) ? short : remember(short),
    ...(isVaulted(policy) && { vaulted }),
  }
}

/** Masks under the current keys; a mask is made once for each generation of them. */
export function createMasks(
  policy: Omit<Policy, 'token' | 'hash' | 'vault'>,
  maskingKeys: () => Promise<MaskingKeys>,
  vaulted?: VaultedTokens,
): () => Promise<Mask> {
  let made: { readonly generation: string; readonly mask: Mask } | undefined
  return async () => {
    const keys = await maskingKeys()
    if (made?.generation !== keys.generation)
      made = {
        generation: keys.generation,
        mask: createMask({ ...policy, ...keyedFunctions(keys) }, vaulted),
      }
    return made.mask
  }
}
