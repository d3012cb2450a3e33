import { createMasker, kindsOf } from './masker.ts'
import { scan } from './scan.ts'
import type { Detection } from './types.ts'

export { normalise } from './actions.ts'
export type { Action, ActionKind, Keyed } from './actions.ts'
export { createMasker } from './masker.ts'
export type { CustomKind } from './custom.ts'
export type { Explained, Finding, Masked, Masker, MaskOptions } from './masker.ts'
export { policyIssues } from './policy.ts'
export type { Policy, PolicyIssue, Rule, Surface } from './policy.ts'
export { createRoundTrip } from './round-trip.ts'
export type {
  Conversation,
  Restored,
  RoundTrip,
  RoundTripOptions,
  SealPlace,
  VaultKeys,
  VaultRow,
  VaultStore,
} from './round-trip.ts'
export { createMaskStream, maskSlices } from './stream.ts'
export type { MaskStream } from './stream.ts'
export { resolveMasking } from './surfaces.ts'
export type { Masking, MaskingAsk, MaskingDecision, SurfaceRule, SurfaceRules } from './surfaces.ts'
export { piiTypes } from './types.ts'
export type { Detection, PiiType } from './types.ts'

const plain = createMasker()
const PLAIN = kindsOf({})

/** Finds personal data in JSON or text: places in UTF-16 offsets, end exclusive, in order and without overlaps; never throws. */
export const detect = (text: string): Detection[] =>
  scan(text, { json: true, withPaths: false, path: '', kinds: PLAIN }).map(({ type, start, end, score }) => ({
    type,
    start,
    end,
    score,
  }))

/** The text with every find replaced by its kind in brackets; valid JSON stays valid, and masking twice changes nothing. */
export const mask = (text: string): string => plain.mask(text).text
