import { createControlView } from '@muniment/keys/control'
import { isMembers, type Members } from '../../json.ts'
import { decisionOn } from '../decisions.ts'
import type { FollowControl, Guard, GuardPart, Rewriting, Subject, Verdict } from '../guard.ts'
import type { PolicyNote } from '../../record.ts'
import { createRules, type Asker, type Ruling, type Rules } from './decide.ts'
import { filterLists } from './filter.ts'
import { checkAuthorise, type AuthoriseOptions } from './options.ts'
import { followPolicies, readPolicies } from './policy-files.ts'

const noteName = 'authorise'
const maxReason = 256

type Risk = (subject: Subject) => string
type Mode = 'enforce' | 'observe'

interface State {
  readonly rules: Rules
  readonly mode: Mode
  readonly risk: Risk
}

/** What the control topic says of a subject; told apart from enforcing it, so that policies can be stricter than decisions. */
function followRisk(follow: FollowControl, allow: readonly string[]): Risk {
  const view = createControlView({ now: Date.now })
  const allowed = new Set(allow)
  follow(({ decisions }) => {
    for (const decision of decisions) view.apply(decision)
  })
  return subject => {
    const decision = view.isEmpty() ? undefined : decisionOn(view, subject, allowed)
    return decision === undefined ? 'none' : (decision.would ?? decision.action)
  }
}

function askerOf({ risk }: State, subject: Subject): Asker {
  const { tenant, principal, server, address } = subject
  return { tenant, principal, server, address, risk: risk(subject), timeMs: Date.now() }
}

function noteOf({ isAllowed, reason }: Ruling, mode: Mode): PolicyNote {
  const refused = mode === 'observe' ? 'would_deny' : 'deny'
  return { name: noteName, decision: isAllowed ? 'permit' : refused, reason: reason.slice(0, maxReason) }
}

function judge(state: State, subject: Subject, message: Members): Verdict | undefined {
  const ruling = state.rules.request(askerOf(state, subject), subject.method, message['params'])
  if (ruling === undefined) return undefined
  const notes = [noteOf(ruling, state.mode)]
  if (ruling.isAllowed || state.mode === 'observe') return { notes }
  return { refusal: { code: ruling.isMalformed === true ? 'INVALID_INPUT' : 'ACCESS_DENIED' }, notes }
}

function show(state: State, subject: Subject, message: Members): Rewriting | undefined {
  if (!isMembers(message['result'])) return undefined
  const asker = askerOf(state, subject)
  const filtered = filterLists(message, use => state.rules.mayUse(asker, use))
  if (filtered === undefined) return undefined
  const { hidden, of } = filtered
  const decision = state.mode === 'observe' ? 'would_hide' : 'hide'
  const notes = hidden === 0 ? [] : [{ name: noteName, decision, reason: `${hidden} of ${of} not shown` }]
  return state.mode === 'observe' ? { notes } : { message: filtered.message, notes }
}

/** The rules of options, to be tried outside of a guard. Throws `CONFIG_INVALID` for what cannot be meant or used. */
export function openRules(options: unknown): Rules {
  const checked = checkAuthorise(options)
  const policies = checked.policies && readPolicies(checked.policies)
  return createRules(checked, policies && (() => policies))
}

/**
 * A part that lets callers use, and see in lists, only what roles and Cedar policies allow them; whatever is not named, nobody may use.
 * Throws `CONFIG_INVALID` for options that cannot be meant, when it is opened also for policies that cannot be used.
 */
export function authorise(options: AuthoriseOptions): GuardPart {
  const checked = checkAuthorise(options)
  createRules(checked, undefined)
  return {
    stage: 'authorise',
    open: ({ settings, follow }): Guard => {
      const { policies, mode = 'enforce' } = checked
      const current = policies && followPolicies(policies, settings.onProblem, () => performance.now())
      const risk: Risk = policies === undefined ? () => 'none' : followRisk(follow, settings.guardAllow)
      const state: State = { rules: createRules(checked, current), mode, risk }
      return {
        request: (subject, message) => judge(state, subject, message),
        response: (subject, message) => show(state, subject, message),
      }
    },
  }
}
