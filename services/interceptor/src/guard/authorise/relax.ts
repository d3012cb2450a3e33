// A list shows what its reader may use in some way. Whether a tool may be used can depend on arguments, which nobody knows yet: so lists are
// judged by policies from which every condition on arguments was taken, as if the arguments were those that help the caller most.
import { isMembers } from '../../json.ts'

const ofArguments: ReadonlySet<string> = new Set(['arguments', 'shape'])
const ofTime: ReadonlySet<string> = new Set(['time'])

function isContext(expression: unknown): boolean {
  return isMembers(expression) && expression['Var'] === 'context'
}

/** `context.risk` or `context has address`: an attribute of the context that is none of these. */
function isAnother(value: unknown, names: ReadonlySet<string>): boolean {
  if (!isMembers(value) || !isContext(value['left'])) return false
  const { attr } = value
  const first: unknown = Array.isArray(attr) ? attr[0] : attr
  return typeof first === 'string' && !names.has(first)
}

/** Whether one of these attributes of the context has a part in an expression; `context` as a whole has them all. */
function mentions(expression: unknown, names: ReadonlySet<string>): boolean {
  if (Array.isArray(expression)) return expression.some(one => mentions(one, names))
  if (!isMembers(expression)) return false
  if (isContext(expression)) return true
  return Object.entries(expression).some(([operator, value]) => {
    if ((operator === '.' || operator === 'has') && isAnother(value, names)) return false
    return mentions(value, names)
  })
}

function mentionsArguments(expression: unknown): boolean {
  return mentions(expression, ofArguments)
}

function conjuncts(expression: unknown): readonly unknown[] {
  const both = isMembers(expression) ? expression['&&'] : undefined
  return isMembers(both) ? [...conjuncts(both['left']), ...conjuncts(both['right'])] : [expression]
}

interface Clause {
  readonly kind: 'when' | 'unless'
  readonly body: unknown
}

function relaxedClauses({ kind, body }: Clause): readonly Clause[] {
  if (kind === 'unless') return mentionsArguments(body) ? [] : [{ kind, body }]
  return conjuncts(body)
    .filter(part => !mentionsArguments(part))
    .map(part => ({ kind, body: part }))
}

/** A policy in Cedar's JSON form, as far as it is looked at here. */
export interface PolicyJson {
  readonly effect: string
  readonly conditions: readonly Clause[]
  readonly annotations?: Readonly<Record<string, string>>
}

/** A policy as lists are judged by; `undefined` for a prohibition that other arguments may avoid. */
export function relaxed(policy: PolicyJson): PolicyJson | undefined {
  const { effect, conditions } = policy
  if (effect === 'forbid') return conditions.some(({ body }) => mentionsArguments(body)) ? undefined : policy
  return { ...policy, conditions: conditions.flatMap(relaxedClauses) }
}

/** What of a request any of the policies looks at; the rest need not be told. */
export function readsOf(policies: readonly PolicyJson[]): {
  readonly arguments: boolean
  readonly time: boolean
} {
  const bodies = policies.flatMap(({ conditions }) => conditions.map(({ body }) => body))
  return { arguments: mentions(bodies, ofArguments), time: mentions(bodies, ofTime) }
}
