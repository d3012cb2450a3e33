import { createMasker as createPiiMasker, type Policy } from '@muniment/pii'
import type { Mask } from './build-event.ts'

/** The mask of a policy. Throws a `RangeError` that names every issue of a policy that cannot be used. */
export function createMask(policy: Policy = {}): Mask {
  const { mask, version } = createPiiMasker(policy)
  return {
    version,
    message: text => mask(text),
    short: text => mask(text, { json: false }).text,
  }
}
