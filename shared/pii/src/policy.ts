import type { Action, Keyed } from './actions.ts'
import { type CustomKind, kindIssues } from './custom.ts'
import { compileSelector, type Selector } from './selector.ts'
import { hasForm } from './shape.ts'
import { piiTypes } from './types.ts'

/** Where a text goes: to a model, into the archive, into the log of a process. */
export type Surface = 'model' | 'archive' | 'logs'

/** One line of a policy: kinds × places → action. What is left out matches everything. */
export interface Rule {
  /** Built-in kinds, and names of custom ones. */
  readonly types?: readonly string[] | undefined
  /** Selectors such as `result.content[].text`, `**.email`, `params.*.note`; `*` is one key, `**` any number of them. */
  readonly paths?: readonly string[] | undefined
  readonly servers?: readonly string[] | undefined
  readonly tools?: readonly string[] | undefined
  readonly surfaces?: readonly Surface[] | undefined
  readonly action: Action
}

/** What to do with what is found. The first rule that matches decides; without one, `otherwise`, which is `remove` unless told. */
export interface Policy {
  readonly rules?: readonly Rule[]
  readonly otherwise?: Action
  readonly kinds?: readonly CustomKind[]
  /** Values that are never masked, compared after normalisation: support addresses, documentation numbers. */
  readonly allow?: readonly string[]
  /** Finds below this score are left alone; 0 unless told. */
  readonly minScore?: number
  /** Selectors of places where whatever takes the place of a value has its form, so that the same schema accepts it. */
  readonly shapedAt?: readonly string[]
  readonly token?: Keyed
  /** Gives vaulted tokens. */
  readonly vault?: Keyed
  readonly hash?: Keyed
}

/** Where a text comes from and goes to, as far as rules ask for it. */
export interface Origin {
  readonly server: string
  readonly tool: string
  readonly surface: Surface | ''
}

export interface Plan {
  readonly actionFor: (kind: string, path: string, origin: Origin) => Action
  readonly allow: ReadonlySet<string>
  readonly minScore: number
}

/** Why a policy cannot be used: where, as keys and indexes, and what is wrong there. */
export interface PolicyIssue {
  readonly path: readonly (string | number)[]
  readonly problem: string
}

const MEMORY_MAX = 4096
const SELECTOR_MAX = 256
const SCORE_MAX = 0.6
const REMOVE: Action = { kind: 'remove' }

interface CompiledRule {
  readonly types: ReadonlySet<string> | undefined
  readonly selectors: readonly Selector[] | undefined
  readonly rule: Rule
}

const kindsOf = ({ kinds = [] }: Policy): readonly string[] => [...piiTypes, ...kinds.map(({ name }) => name)]

const LISTS = ['types', 'paths', 'servers', 'tools', 'surfaces'] as const

const ruleIssues = (rule: Rule, index: number, kinds: readonly string[]): readonly PolicyIssue[] => {
  const at = (field: string, n?: number): PolicyIssue['path'] => [
    'rules',
    index,
    field,
    ...(n === undefined ? [] : [n]),
  ]
  const types = (rule.types ?? []).map((type, n) =>
    kinds.includes(type)
      ? []
      : [{ path: at('types', n), problem: `is no kind; known: ${kinds.join(', ')}.` }],
  )
  const paths = (rule.paths ?? []).map((path, n) =>
    path !== '' && path.length <= SELECTOR_MAX
      ? []
      : [{ path: at('paths', n), problem: `must have 1 to ${SELECTOR_MAX} characters.` }],
  )
  const empty = LISTS.filter(list => rule[list]?.length === 0)
  return [
    ...types.flat(),
    ...paths.flat(),
    ...empty.map(list => ({
      path: at(list),
      problem: 'is empty, so the rule never matches: leave it out or fill it.',
    })),
  ]
}

/** Whether a rule decides for every text in which a kind is found. */
const isTotal = ({ paths, servers, tools, surfaces }: Rule): boolean =>
  paths === undefined && servers === undefined && tools === undefined && surfaces === undefined

/** Actions that a kind can meet. */
const actionsOf = ({ rules = [], otherwise = REMOVE }: Policy, kind: string): readonly Action[] => {
  const concerned = rules.filter(({ types }) => types === undefined || types.includes(kind))
  const last = concerned.findIndex(isTotal)
  const reached = last < 0 ? concerned : concerned.slice(0, last + 1)
  return [...reached.map(({ action }) => action), ...(last < 0 ? [otherwise] : [])]
}

const effectIssues = (policy: Policy): readonly PolicyIssue[] => {
  const { rules = [] } = policy
  const isIdle = kindsOf(policy).every(kind =>
    actionsOf(policy, kind).every(action => action.kind === 'keep'),
  )
  const total = rules.findIndex(rule => rule.types === undefined && isTotal(rule))
  return [
    ...(isIdle
      ? [{ path: [], problem: 'would mask nothing: every action that can be reached is keep.' }]
      : []),
    ...(total >= 0 && total < rules.length - 1
      ? [{ path: ['rules', total + 1], problem: `is never reached: rules[${total}] matches everything.` }]
      : []),
  ]
}

const keyIssues = (policy: Policy): readonly PolicyIssue[] => {
  const { rules = [], otherwise = REMOVE, token, hash, vault } = policy
  const actions = [otherwise, ...rules.map(({ action }) => action)]
  const kinds = new Set(actions.map(({ kind }) => kind))
  const isVaulted = actions.some(action => action.kind === 'token' && action.isVaulted === true)
  return [
    ...(isVaulted && vault === undefined
      ? [{ path: ['vault'], problem: 'is missing: vaulted tokens need a vault.' }]
      : []),
    ...(kinds.has('token') && token === undefined
      ? [{ path: ['token'], problem: 'is missing: the action needs a keyed function.' }]
      : []),
    ...(kinds.has('hash') && hash === undefined
      ? [{ path: ['hash'], problem: 'is missing: the action needs a keyed function.' }]
      : []),
  ]
}

const customIssues = ({ kinds = [] }: Policy): readonly PolicyIssue[] =>
  kinds.flatMap(kind =>
    kindIssues(kind).map(({ field, problem }) => ({
      path: ['kinds', kind.name, ...(field === 'name' ? [] : [field])],
      problem,
    })),
  )

/** Reasons why a policy cannot be used; none for a good one. */
export const policyIssues = (policy: Policy): readonly PolicyIssue[] => {
  const { rules = [], allow = [], minScore = 0 } = policy
  const kinds = kindsOf(policy)
  return [
    ...rules.flatMap((rule, index) => ruleIssues(rule, index, kinds)),
    ...customIssues(policy),
    ...keyIssues(policy),
    ...effectIssues(policy),
    ...allow.flatMap((value, n) =>
      value.trim() === '' ? [{ path: ['allow', n], problem: 'is empty.' }] : [],
    ),
    ...(minScore >= 0 && minScore <= SCORE_MAX
      ? []
      : [
          {
            path: ['minScore'],
            problem: `must lie between 0 and ${SCORE_MAX}; a higher one would mask almost nothing.`,
          },
        ]),
  ]
}

const compileRule = (rule: Rule): CompiledRule => ({
  rule,
  types: rule.types === undefined ? undefined : new Set(rule.types),
  selectors: rule.paths?.map(compileSelector),
})

const isFrom = ({ servers, tools, surfaces }: Rule, { server, tool, surface }: Origin): boolean =>
  (servers === undefined || servers.includes(server)) &&
  (tools === undefined || tools.includes(tool)) &&
  (surfaces === undefined || surfaces.some(one => one === surface))

const matches = (compiled: CompiledRule, kind: string, place: Origin & { path: string }): boolean => {
  const { rule, types, selectors } = compiled
  if (types !== undefined && !types.has(kind)) return false
  if (!isFrom(rule, place)) return false
  return selectors === undefined || selectors.some(selector => selector(place.path))
}

/** Kinds whose form leaves room for an id; the forms of the others stand for nobody. */
const WITH_ROOM: ReadonlySet<string> = new Set(['EMAIL', 'URL'])

const shapedAction = (action: Action, kind: string): Action => {
  if (action.kind === 'keep') return action
  if (action.kind === 'token' && (WITH_ROOM.has(kind) || !hasForm(kind)))
    return { ...action, keepsShape: true }
  return { kind: 'remove', keepsShape: true }
}

/** Multiplies rules out on first use and remembers the answer per kind and place, at most 4,096 of them. */
export const compilePolicy = (policy: Policy): Plan => {
  const rules = (policy.rules ?? []).map(compileRule)
  const otherwise = policy.otherwise ?? REMOVE
  const memory = new Map<string, Action>()
  const shapedAt = (policy.shapedAt ?? []).map(compileSelector)
  const decide = (kind: string, place: Origin & { path: string }): Action => {
    const action = rules.find(rule => matches(rule, kind, place))?.rule.action ?? otherwise
    return shapedAt.some(covers => covers(place.path)) ? shapedAction(action, kind) : action
  }
  return {
    allow: new Set(policy.allow),
    minScore: policy.minScore ?? 0,
    actionFor: (kind, path, origin) => {
      if (rules.length + shapedAt.length === 0) return otherwise
      const key = JSON.stringify([kind, path, origin.server, origin.tool, origin.surface])
      const known = memory.get(key)
      if (known !== undefined) return known
      const action = decide(kind, { path, ...origin })
      if (memory.size >= MEMORY_MAX) memory.clear()
      memory.set(key, action)
      return action
    },
  }
}
