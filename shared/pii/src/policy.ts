import type { Action, Keyed } from './actions.ts'
import { compileSelector, type Selector } from './selector.ts'
import { type PiiType, piiTypes } from './types.ts'

/** One line of a policy: kinds × places → action. What is left out matches everything. */
export interface Rule {
  readonly types?: readonly PiiType[]
  /** Selectors such as `result.content[].text`, `**.email`, `params.*.note`; `*` is one key, `**` any number of them. */
  readonly paths?: readonly string[]
  readonly servers?: readonly string[]
  readonly tools?: readonly string[]
  readonly action: Action
}

/** What to do with what is found. The first rule that matches decides; without one, `otherwise`, which is `remove` unless told. */
export interface Policy {
  readonly rules?: readonly Rule[]
  readonly otherwise?: Action
  /** Values that are never masked, compared after normalisation: support addresses, documentation numbers. */
  readonly allow?: readonly string[]
  /** Finds below this score are left alone; 0 unless told. */
  readonly minScore?: number
  readonly token?: Keyed
  readonly hash?: Keyed
}

/** Where a text comes from, as far as rules ask for it. */
export interface Origin {
  readonly server: string
  readonly tool: string
}

export interface Plan {
  readonly actionFor: (type: PiiType, path: string, origin: Origin) => Action
  readonly allow: ReadonlySet<string>
  readonly minScore: number
}

const MEMORY_MAX = 4096
const REMOVE: Action = { kind: 'remove' }

interface CompiledRule {
  readonly types: ReadonlySet<PiiType> | undefined
  readonly selectors: readonly Selector[] | undefined
  readonly rule: Rule
}

const actionsOf = (policy: Policy): readonly Action[] => [
  policy.otherwise ?? REMOVE,
  ...(policy.rules ?? []).map(rule => rule.action),
]

const ruleIssues = (rule: Rule, index: number): readonly string[] => {
  const unknown = (rule.types ?? []).filter(type => !piiTypes.includes(type))
  const badPaths = (rule.paths ?? []).filter(path => path === '' || path.length > 256)
  return [
    ...unknown.map(type => `rules[${index}].types: unknown kind ${JSON.stringify(type)}`),
    ...badPaths.map(() => `rules[${index}].paths: a selector has 1 to 256 characters`),
    ...(rule.types?.length === 0 ? [`rules[${index}].types: empty, so the rule never matches`] : []),
    ...(rule.paths?.length === 0 ? [`rules[${index}].paths: empty, so the rule never matches`] : []),
  ]
}

const keyIssues = (policy: Policy): readonly string[] => {
  const kinds = new Set(actionsOf(policy).map(action => action.kind))
  return [
    ...(kinds.has('token') && policy.token === undefined ? ['token: the action needs a keyed function'] : []),
    ...(kinds.has('hash') && policy.hash === undefined ? ['hash: the action needs a keyed function'] : []),
  ]
}

/** Reasons why a policy cannot be used; none for a good one. */
export const policyIssues = (policy: Policy): readonly string[] => {
  const masksNothing = actionsOf(policy).every(action => action.kind === 'keep')
  const score = policy.minScore ?? 0
  return [
    ...(policy.rules ?? []).flatMap(ruleIssues),
    ...keyIssues(policy),
    ...(masksNothing ? ['rules: every action is keep, so nothing would be masked'] : []),
    ...(score >= 0 && score <= 0.6
      ? []
      : ['minScore: must lie between 0 and 0.6; a higher one would mask almost nothing']),
  ]
}

const compileRule = (rule: Rule): CompiledRule => ({
  rule,
  types: rule.types === undefined ? undefined : new Set(rule.types),
  selectors: rule.paths?.map(compileSelector),
})

const matches = (compiled: CompiledRule, type: PiiType, place: Origin & { path: string }): boolean => {
  const { rule, types, selectors } = compiled
  if (types !== undefined && !types.has(type)) return false
  if (rule.servers !== undefined && !rule.servers.includes(place.server)) return false
  if (rule.tools !== undefined && !rule.tools.includes(place.tool)) return false
  return selectors === undefined || selectors.some(selector => selector(place.path))
}

/** Multiplies rules out on first use and remembers the answer per kind and place, at most 4,096 of them. */
export const compilePolicy = (policy: Policy): Plan => {
  const rules = (policy.rules ?? []).map(compileRule)
  const otherwise = policy.otherwise ?? REMOVE
  const memory = new Map<string, Action>()
  const decide = (type: PiiType, place: Origin & { path: string }): Action =>
    rules.find(rule => matches(rule, type, place))?.rule.action ?? otherwise
  return {
    allow: new Set(policy.allow),
    minScore: policy.minScore ?? 0,
    actionFor: (type, path, origin) => {
      if (rules.length === 0) return otherwise
      const key = `${type} ${path} ${origin.server} ${origin.tool}`
      const known = memory.get(key)
      if (known !== undefined) return known
      const action = decide(type, { path, ...origin })
      if (memory.size >= MEMORY_MAX) memory.clear()
      memory.set(key, action)
      return action
    },
  }
}
