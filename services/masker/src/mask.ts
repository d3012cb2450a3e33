import { createMasker as createPiiMasker, type Policy, type Rule } from '@muniment/pii'
import type { Mask } from './build-event.ts'

/** Names of programs, in the two places where the protocol puts them, are not names of people. */
const programNames: Rule = {
  types: ['NAME'],
  paths: ['params.clientInfo.name', 'result.serverInfo.name'],
  action: { kind: 'keep' },
}

/** The mask of a policy. Throws a `RangeError` that names every issue of a policy that cannot be used. */
export function createMask(policy: Policy = {}): Mask {
  const rules = [...(policy.rules ?? []), programNames]
  const { mask, version } = createPiiMasker({ ...policy, rules })
  return {
    version,
    message: text => mask(text),
    short: text => mask(text, { json: false }).text,
  }
}
