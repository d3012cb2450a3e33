import { decisionActions, decisionKey, type Decision } from '@muniment/schema'
import { createControlView, type ControlView } from '@muniment/keys/control'
import { tellRefused } from '../control/refused.ts'
import { problem, type OnProblem } from '../problem.ts'
import type { Members } from '../json.ts'
import { requireApproval, type Approvals } from './approval.ts'
import type { Arriving, Guard, GuardPart, Refusal, Subject, Verdict } from './guard.ts'
import type { PolicyNote } from '../record.ts'
import { createRateLimit, type RateLimit } from './rate.ts'

/** How decisions of `mcp.control` are enforced. */
export interface DecisionOptions {
  /** `observe` refuses nothing and notes in the event what it would have done; default `enforce`. */
  readonly mode?: 'enforce' | 'observe'
  /** What no decision may touch, as `scope/value`: `principal/alice`, `server/files`. */
  readonly allow?: readonly string[]
  /** Most values on which one rule may act at a time; default 100. */
  readonly maxPerRule?: number
  /** How long the person at the client may take to approve a call; default five minutes. */
  readonly approvalMs?: number
}

interface State {
  readonly view: ControlView
  readonly rate: RateLimit
  readonly allow: ReadonlySet<string>
  readonly mode: 'enforce' | 'observe'
  readonly approvals: Approvals
}

/** Without these a client cannot even be told what is wrong with its calls. */
const alwaysPass = new Set(['initialize', 'ping', 'server/discover'])
const maxReason = 256
const defaultApprovalMs = 300_000

/** Who called, in the words in which the detector speaks of them. */
function principalName({ principal, client }: Pick<Subject, 'principal' | 'client'>): string {
  if (principal !== undefined) return principal.id
  return client === undefined ? 'anonymous' : `label:${client}`
}

type About = Pick<Decision, 'scope' | 'value'>

function aboutOf(subject: Subject): readonly About[] {
  const { tenant, client, server, target, method } = subject
  const about: About[] = [
    { scope: 'tenant', value: tenant },
    { scope: 'principal', value: principalName(subject) },
  ]
  if (client !== undefined) about.push({ scope: 'client', value: client })
  if (server !== undefined) about.push({ scope: 'server', value: server })
  if (target === undefined || method !== 'tools/call') return about
  about.push({ scope: 'tool', value: target })
  if (server !== undefined) about.push({ scope: 'tool', value: `${server}/${target}` })
  return about
}

function severity({ action }: Decision): number {
  return decisionActions.indexOf(action)
}

function strictest(view: ControlView, about: readonly About[], tenant: string): Decision | undefined {
  let found: Decision | undefined
  for (const each of about) {
    for (const key of [decisionKey(each), decisionKey({ ...each, tenant })]) {
      const decision = view.find(key)
      if (decision !== undefined && (found === undefined || severity(decision) > severity(found)))
        found = decision
    }
  }
  return found
}

/** The strictest decision on a subject that nothing exempts. */
export function decisionOn(
  view: ControlView,
  subject: Subject,
  allow: ReadonlySet<string>,
): Decision | undefined {
  const about = aboutOf(subject)
  return about.some(each => allow.has(decisionKey(each))) ? undefined : strictest(view, about, subject.tenant)
}

function refusalOf(
  { action, rate_per_minute: perMinute = 1 }: Decision,
  key: string,
  rate: RateLimit,
): Refusal | undefined {
  if (action === 'block' || action === 'quarantine') return { code: 'ACCESS_DENIED' }
  if (action !== 'throttle') return undefined
  const retryAfterMs = rate.take(key, perMinute)
  return retryAfterMs === undefined ? undefined : { code: 'RATE_LIMITED', retryAfterMs }
}

function reasonOf({ reason, rule, alert_id: alert }: Decision): string {
  const from =
    rule === undefined ? 'operator' : `rule ${rule}${alert === undefined ? '' : `, alert ${alert}`}`
  return `${from}: ${reason}`.slice(0, maxReason)
}

function note(decision: Decision, what: string): PolicyNote {
  return { name: `control/${decision.scope}`, decision: what, reason: reasonOf(decision) }
}

interface Requested {
  readonly subject: Subject
  readonly message: Members
}

function judge(state: State, decision: Decision, requested: Requested): Verdict {
  if (decision.action === 'require_approval' && state.mode === 'enforce')
    return requireApproval(state.approvals, { ...requested, note: what => note(decision, what) })
  const refusal = refusalOf(decision, decisionKey(decision), state.rate)
  const { action, would } = decision
  if (refusal === undefined && action !== 'require_approval')
    return { notes: [note(decision, would === undefined ? action : `would_${would}`)] }
  if (refusal === undefined || state.mode === 'observe') return { notes: [note(decision, `would_${action}`)] }
  return { refusal, notes: [note(decision, action)] }
}

function check(state: State, requested: Requested): Verdict | undefined {
  const { subject } = requested
  if (state.view.isEmpty() || alwaysPass.has(subject.method)) return undefined
  const about = aboutOf(subject)
  const decision = strictest(state.view, about, subject.tenant)
  if (decision === undefined) return undefined
  if (!about.some(each => state.allow.has(decisionKey(each)))) return judge(state, decision, requested)
  return decision.action === 'observe' ? undefined : { notes: [note(decision, 'allow_listed')] }
}

function receive({ view }: State, { decisions, refused }: Arriving, onProblem: OnProblem): void {
  const outcomes = new Set(decisions.map(decision => view.apply(decision)))
  tellRefused(refused, onProblem)
  if (outcomes.has('full') || outcomes.has('over_cap'))
    onProblem(
      problem(
        'LIMIT_EXCEEDED',
        'Control decisions were not taken: there are too many, or one rule made too many.',
      ),
    )
}

/** A guard that does what signed decisions of `mcp.control` say: refuses, throttles, or notes. Give it to `attach` as `guard`. */
export function enforceDecisions(options: DecisionOptions = {}): GuardPart {
  const { mode = 'enforce', allow = [], maxPerRule, approvalMs = defaultApprovalMs } = options
  return {
    stage: 'decisions',
    open: ({ settings, follow }): Guard => {
      const view = createControlView({ now: Date.now, ...(maxPerRule !== undefined && { maxPerRule }) })
      const rate = createRateLimit(() => performance.now())
      const state: State = {
        view,
        rate,
        mode,
        allow: new Set([...settings.guardAllow, ...allow]),
        approvals: { pending: new Map(), timeoutMs: approvalMs },
      }
      follow(arriving => receive(state, arriving, settings.onProblem))
      return { request: (subject, message) => check(state, { subject, message }) }
    },
  }
}
