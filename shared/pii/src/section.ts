import { z } from 'zod'
import type { Action } from './actions.ts'
import type { ValidatorName } from './checks.ts'
import type { CustomKind } from './custom.ts'
import type { Policy, Rule } from './policy.ts'
import type { SurfaceRule, SurfaceRules } from './surfaces.ts'

const validatorNames = ['luhn', 'mod97', 'mod11_2', 'mod11_10', 'verhoeff'] as const satisfies ValidatorName[]

const actionSchema = z.union([
  z.enum(['remove', 'mask', 'token', 'hash', 'keep']),
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('remove'), keeps_shape: z.boolean().optional() }),
    z.strictObject({ kind: z.literal('mask'), keep_last: z.number().int().min(0).max(8).optional() }),
    z.strictObject({
      kind: z.literal('token'),
      keeps_shape: z.boolean().optional(),
      vaulted: z.boolean().optional(),
    }),
    z.strictObject({ kind: z.literal('hash') }),
    z.strictObject({ kind: z.literal('keep') }),
  ]),
])

const names = z.array(z.string().min(1).max(256)).max(1000)
const surface = z.enum(['model', 'archive', 'logs'])

const ruleSchema = z.strictObject({
  types: names.optional(),
  paths: names.optional(),
  servers: names.optional(),
  tools: names.optional(),
  surfaces: z.array(surface).optional(),
  action: actionSchema,
})

const kindSchema = z.strictObject({
  pattern: z.string(),
  validator: z.enum(validatorNames).optional(),
  words: z.array(z.string()).optional(),
})

const surfaceSchema = z.union([
  z.boolean(),
  z
    .strictObject({ mask: z.boolean().optional(), relax_for: names.optional() })
    .refine(said => Object.keys(said).length > 0, 'it says nothing'),
])

/** The section `pii:` of `muniment.yaml`, as it is written. */
export const piiSectionSchema = z.strictObject({
  rules: z.array(ruleSchema).max(1000).optional(),
  otherwise: actionSchema.optional(),
  kinds: z.record(z.string(), kindSchema).optional(),
  allow: z.array(z.string()).max(10_000).optional(),
  min_score: z.number().optional(),
  before_llm: surfaceSchema.optional(),
  in_logs: surfaceSchema.optional(),
})

/** What the section `pii:` says. */
export type PiiSection = z.output<typeof piiSectionSchema>

/** A section as what it means: a policy without its keyed functions, and what it says of surfaces. */
export interface PiiRules {
  readonly policy: Omit<Policy, 'token' | 'hash' | 'vault'>
  readonly surfaces: SurfaceRules
}

const actionOf = (written: z.output<typeof actionSchema>): Action => {
  if (typeof written === 'string') return { kind: written }
  if (written.kind === 'mask')
    return { kind: 'mask', ...(written.keep_last !== undefined && { keepLast: written.keep_last }) }
  if (written.kind === 'hash' || written.kind === 'keep') return { kind: written.kind }
  const shape = written.keeps_shape !== undefined && { keepsShape: written.keeps_shape }
  if (written.kind === 'remove') return { kind: 'remove', ...shape }
  return { kind: 'token', ...shape, ...(written.vaulted !== undefined && { isVaulted: written.vaulted }) }
}

const ruleOf = ({ action, ...where }: z.output<typeof ruleSchema>): Rule => ({
  ...where,
  action: actionOf(action),
})

const kindsOf = (kinds: NonNullable<PiiSection['kinds']>): readonly CustomKind[] =>
  Object.entries(kinds).map(([name, { pattern, validator, words }]) => ({ name, pattern, validator, words }))

const surfaceOf = (written: z.output<typeof surfaceSchema> | undefined): SurfaceRule => {
  if (written === undefined) return {}
  if (typeof written === 'boolean') return { isMasked: written }
  return { isMasked: written.mask, ...(written.relax_for && { relaxFor: written.relax_for }) }
}

/** What a section means. The paths of `policyIssues` for it are paths of the section, but for `minScore`, which is `min_score` there. */
export const piiRules = (section: PiiSection): PiiRules => {
  const {
    rules,
    otherwise,
    kinds,
    allow,
    min_score: minScore,
    before_llm: beforeLlm,
    in_logs: inLogs,
  } = section
  return {
    policy: {
      ...(rules && { rules: rules.map(ruleOf) }),
      ...(otherwise !== undefined && { otherwise: actionOf(otherwise) }),
      ...(kinds && { kinds: kindsOf(kinds) }),
      ...(allow && { allow }),
      ...(minScore !== undefined && { minScore }),
    },
    surfaces: { beforeLlm: surfaceOf(beforeLlm), inLogs: surfaceOf(inLogs) },
  }
}
