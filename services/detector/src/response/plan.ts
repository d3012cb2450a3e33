import { z } from 'zod'
import { AppError } from '@muniment/schema'

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const monthMs = 31 * 86_400_000

const life = z
  .string()
  .regex(/^\d{1,4}[smhd]$/u, 'not a duration like 15m')
  .transform(text => Number(text.slice(0, -1)) * (units[text.slice(-1)] ?? 0))
  .pipe(z.number().positive().max(monthMs, 'longer than 31 days'))

const step = z
  .strictObject({
    action: z.enum(['throttle', 'require_approval', 'quarantine', 'block']),
    for: life,
    rate: z.number().positive().max(1e6).optional(),
  })
  .refine(({ action, rate }) => (action === 'throttle') === (rate !== undefined), 'rate goes with throttle')

/** How a rule answers, as it stands in its `muniment` block and in the section `response` of `muniment.yaml`. */
const responseSchema = z.strictObject({
  /** Shadow decides `observe` and says what it would have done. */
  mode: z.enum(['shadow', 'enforce']).default('shadow'),
  scope: z.enum(['principal', 'tool', 'server', 'client', 'tenant']),
  /** Alerts of fewer observations are left to people. */
  from: z.number().int().min(1).default(1),
  /** What is done the first time, the second, and so on; the last goes on. */
  steps: z.array(step).min(1).max(10),
  /** On how many values at a time. */
  cap: z.number().int().min(1).max(100).default(5),
})

/** What a rule does about what it found. */
export type ResponsePlan = z.output<typeof responseSchema>

/** The plan of a rule's block; throws `CONFIG_INVALID`. */
export function readResponse(value: unknown): ResponsePlan | undefined {
  if (value === undefined) return undefined
  const parsed = responseSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new AppError('CONFIG_INVALID', `response.${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`)
}

/** The section `response` of `muniment.yaml`: what an operator makes of the rules' plans. */
export const responseSectionSchema = z.strictObject({
  /** What no rule may touch, as `scope/value`. */
  allow: z
    .array(z.string().regex(/^(?:tenant|principal|client|server|tool)\/./u, 'not of the form scope/value'))
    .default([]),
  /** By the rule's name: its own plan with another mode, or another plan; `off` for none. */
  rules: z
    .record(
      z.string(),
      z.union([z.literal('off'), z.strictObject({ mode: z.enum(['shadow', 'enforce']) }), responseSchema]),
    )
    .default({}),
})

type ResponseSection = z.output<typeof responseSectionSchema>

/** What the plans of rules are made from. */
interface RuleWithPlan {
  readonly name: string
  readonly response?: ResponsePlan | undefined
}

function planOf(
  rule: RuleWithPlan,
  said: ResponseSection['rules'][string] | undefined,
): ResponsePlan | undefined {
  if (said === undefined) return rule.response
  if (said === 'off') return undefined
  if ('steps' in said) return said
  if (rule.response === undefined)
    throw new AppError(
      'CONFIG_INVALID',
      `The rule ${rule.name} has no response of its own to ${said.mode}.`,
      {
        hint: `Give it scope and steps under response.rules.${rule.name} in muniment.yaml.`,
      },
    )
  return { ...rule.response, mode: said.mode }
}

/** The plans in force, by rule name. Throws `CONFIG_INVALID` for a rule that is not there. */
export function plansOf(
  rules: readonly RuleWithPlan[],
  section: ResponseSection = { allow: [], rules: {} },
): ReadonlyMap<string, ResponsePlan> {
  const names = new Set(rules.map(rule => rule.name))
  const unknown = Object.keys(section.rules).find(name => !names.has(name))
  if (unknown !== undefined)
    throw new AppError('CONFIG_INVALID', `response.rules.${unknown} in muniment.yaml: there is no such rule.`)
  return new Map(
    rules.flatMap((rule): [string, ResponsePlan][] => {
      const plan = planOf(rule, section.rules[rule.name])
      return plan === undefined ? [] : [[rule.name, plan]]
    }),
  )
}
