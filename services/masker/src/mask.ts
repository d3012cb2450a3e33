import { createMasker as createPiiMasker, type Policy, type Rule } from '@muniment/pii'
import type { Mask } from './build-event.ts'

/** Names of programs, in the two places where the protocol puts them, are not names of people. */
const programNames: Rule = {
  types: ['NAME'],
  paths: ['params.clientInfo.name', 'result.serverInfo.name'],
  action: { kind: 'keep' },
}

const maxKept = 5000
const maxKeptLength = 128

/** Names of tools, servers and clients come again and again: what was masked once is kept, within bounds. */
function remember(mask: (text: string) => string): (text: string) => string {
  const kept = new Map<string, string>()
  return text => {
    const known = kept.get(text)
    if (known !== undefined) return known
    const masked = mask(text)
    if (text.length > maxKeptLength) return masked
    if (kept.size >= maxKept) kept.clear()
    kept.set(text, masked)
    return masked
  }
}

/** The mask of a policy. Throws a `RangeError` that names every issue of a policy that cannot be used. */
export function createMask(policy: Policy = {}): Mask {
  const rules = [...(policy.rules ?? []), programNames]
  const { mask, version } = createPiiMasker({ ...policy, rules })
  return {
    version,
    message: text => mask(text),
    short: remember(text => mask(text, { json: false }).text),
  }
}
