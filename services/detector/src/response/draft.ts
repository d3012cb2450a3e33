import type { DecisionDraft } from '@muniment/keys'
import type { ControlView } from '@muniment/keys/control'
import { decisionActions, decisionKey, type Alert, type Decision } from '@muniment/schema'
import type { History } from './history.ts'
import type { ResponsePlan } from './plan.ts'

/** What a response is decided by. */
export interface Standing {
  readonly plans: ReadonlyMap<string, ResponsePlan>
  /** What is never touched, as `scope/value`. */
  readonly allow: ReadonlySet<string>
  readonly view: ControlView
  readonly history: History
  readonly nowMs: number
}

/** A decision to take, or a word for why none is taken. */
export type Drafted = { readonly draft: DecisionDraft } | { readonly why: string }

type Target = Pick<Decision, 'scope' | 'value' | 'tenant'>

const maxReason = 400
/** Callers whom nobody knows are no one whose calls could be stopped. */
const nobody = new Set(['anonymous', ''])

function ruleOf({ finding_info: { analytic } }: Alert): string {
  return analytic.name ?? analytic.uid
}

function observable(alert: Alert, name: string): string | undefined {
  return alert.observables.find(each => each.name === name)?.value
}

function toolOf(alert: Alert): string | undefined {
  const [tool, server] = [observable(alert, 'target'), observable(alert, 'server')]
  return tool === undefined || server === undefined ? tool : `${server}/${tool}`
}

function valueOf(alert: Alert, scope: ResponsePlan['scope']): string | undefined {
  if (scope === 'tenant') return alert.metadata.tenant_uid
  if (scope === 'tool') return toolOf(alert)
  return observable(alert, scope)
}

function targetOf(alert: Alert, { scope }: ResponsePlan): Target | undefined {
  const value = valueOf(alert, scope)
  if (value === undefined || nobody.has(value)) return undefined
  return { scope, value, ...(scope !== 'tenant' && { tenant: alert.metadata.tenant_uid }) }
}

/** Everything that a call of the alert could be allowed by. */
function isAllowed({ allow }: Standing, alert: Alert): boolean {
  const scopes = ['principal', 'server', 'client', 'tool', 'tenant'] as const
  const bare = observable(alert, 'target')
  const names = scopes.map(scope => `${scope}/${valueOf(alert, scope) ?? ''}`)
  return [...names, `tool/${bare ?? ''}`].some(name => allow.has(name))
}

function severity({ action }: Pick<Decision, 'action'>): number {
  return decisionActions.indexOf(action)
}

/** How far a rule's decisions reach now. */
function reach({ view }: Standing, rule: string): number {
  return view.list().filter(each => each.rule === rule).length
}

function whyNot(standing: Standing, alert: Alert, current: Decision | undefined): string | undefined {
  if (isAllowed(standing, alert)) return 'allow_listed'
  return current !== undefined && current.rule === undefined ? 'operator_decided' : undefined
}

function makeDraft(
  alert: Alert,
  plan: ResponsePlan,
  about: { readonly target: Target; readonly level: number },
): DecisionDraft {
  const { steps, mode } = plan
  const { target, level } = about
  const step = steps[Math.min(level, steps.length) - 1]
  if (step === undefined) throw new RangeError('A plan has no steps.')
  const isShadow = mode === 'shadow'
  return {
    ...target,
    action: isShadow ? 'observe' : step.action,
    ...(isShadow && { would: step.action }),
    ...(step.rate !== undefined && { rate_per_minute: step.rate }),
    reason: alert.message.slice(0, maxReason),
    rule: ruleOf(alert),
    alert_id: alert.metadata.uid,
    level,
    lifeMs: step.for,
  }
}

/** Whether what is in force is at least as much, for at least as long. */
function isEnough(current: Decision | undefined, draft: DecisionDraft, nowMs: number): boolean {
  if (current === undefined) return false
  const more = severity(current) - severity(draft)
  return more > 0 || (more === 0 && Date.parse(current.expires) >= nowMs + draft.lifeMs)
}

interface Case {
  readonly standing: Standing
  readonly alert: Alert
  readonly rule: string
  readonly plan: ResponsePlan
  /** In force for the same value. */
  readonly current: Decision | undefined
  /** The rule's own newest decision about it. */
  readonly before: Decision | undefined
}

function whyNoDraft(
  { standing, alert, rule, plan, current }: Case,
  draft: DecisionDraft,
): string | undefined {
  if (alert.time + draft.lifeMs <= standing.nowMs) return 'too_late'
  if (isEnough(current, draft, standing.nowMs)) return 'enough'
  return current?.rule !== rule && reach(standing, rule) >= plan.cap ? 'over_cap' : undefined
}

function decideCase(each: Case, target: Target): Drafted {
  const { standing, alert, plan, current, before } = each
  const isAnswered = before !== undefined && Date.parse(before.issued) >= alert.time
  const why = whyNot(standing, alert, current) ?? (isAnswered ? 'answered' : undefined)
  if (why !== undefined) return { why }
  const draft = makeDraft(alert, plan, { target, level: (before?.level ?? 0) + 1 })
  const whyNone = whyNoDraft(each, draft)
  return whyNone === undefined ? { draft } : { why: whyNone }
}

/** What is to be decided about an alert. The same alert again leads to nothing: it is about what happened before the decision. */
export function draftFor(standing: Standing, alert: Alert): Drafted {
  const { plans, view, history, nowMs } = standing
  const rule = ruleOf(alert)
  const plan = plans.get(rule)
  if (plan === undefined || alert.count < plan.from) return { why: 'not_planned' }
  const target = targetOf(alert, plan)
  if (target === undefined) return { why: 'nobody' }
  const key = decisionKey(target)
  const last = history.last(key, nowMs)
  const before = last?.rule === rule ? last : undefined
  return decideCase({ standing, alert, rule, plan, current: view.find(key), before }, target)
}
