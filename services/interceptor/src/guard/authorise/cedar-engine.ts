import { createRequire } from 'node:module'
import { AppError } from '@muniment/schema'
import type { CedarAttributes } from './arguments.ts'
import { refuseOption } from './refuse-option.ts'
import { readsOf, relaxed, type PolicyJson } from './relax.ts'
import { cedarSchema } from './schema.ts'

interface Complaint {
  readonly message: string
  readonly help: string | null
}

type Failure = { readonly type: 'failure'; readonly errors: readonly Complaint[] }
type OfPolicy = { readonly policyId: string; readonly error: Complaint }
type PolicySet = { readonly staticPolicies: Readonly<Record<string, PolicyJson>> }

/** What is used of the engine. */
interface Cedar {
  readonly policySetTextToParts: (text: string) =>
    | Failure
    | {
        readonly type: 'success'
        readonly policies: readonly string[]
        readonly policy_templates: readonly string[]
      }
  readonly policyToJson: (text: string) => Failure | { readonly type: 'success'; readonly json: PolicyJson }
  readonly validate: (call: {
    readonly schema: object
    readonly policies: PolicySet
    readonly validationSettings: { readonly mode: 'strict' }
  }) => Failure | { readonly type: 'success'; readonly validationErrors: readonly OfPolicy[] }
  readonly preparsePolicySet: (name: string, policies: PolicySet) => { readonly type: string }
  readonly statefulIsAuthorized: (call: object) =>
    | Failure
    | {
        readonly type: 'success'
        readonly response: {
          readonly decision: 'allow' | 'deny'
          readonly diagnostics: { readonly reason: readonly string[]; readonly errors: readonly OfPolicy[] }
        }
      }
}

const loaded: { cedar?: Cedar } = {}

/** Four megabytes of WebAssembly, which only those load who have policies. */
function loadCedar(): Cedar {
  try {
    const cedar: Cedar = loaded.cedar ?? createRequire(import.meta.url)('@cedar-policy/cedar-wasm/nodejs')
    loaded.cedar = cedar
    return cedar
  } catch (cause) {
    throw new AppError(
      'CONFIG_INVALID',
      'There are Cedar policies, but @cedar-policy/cedar-wasm is not installed.',
      {
        hint: 'Install it beside @muniment/interceptor: npm install @cedar-policy/cedar-wasm@4',
        cause,
      },
    )
  }
}

/** Policies as they were read, and tools whose arguments they may name. */
export interface PolicyTexts {
  readonly files: readonly { readonly name: string; readonly text: string }[]
  readonly tools: ReadonlyMap<string, CedarAttributes>
}

const maxPolicies = 1000

function firstOf(errors: readonly Complaint[]): string {
  const [first] = errors
  return first === undefined
    ? 'unknown reason'
    : `${first.message}${first.help === null ? '' : ` (${first.help})`}`
}

function problemsOf(name: string, errors: readonly Complaint[]): AppError {
  return refuseOption(
    'policies',
    `cannot be used: ${name}: ${firstOf(errors).slice(0, 400)}.`,
    'Correct the policy; `muniment policy test` tries it.',
  )
}

/** Cedar numbers the policies of a text, and hands them out sorted by these names. */
function inOrder(texts: readonly string[]): readonly string[] {
  const names = texts.map((_, at) => `policy${at}`).toSorted()
  return texts.map((_, at) => texts[names.indexOf(`policy${at}`)] ?? '')
}

function policiesOf(
  cedar: Cedar,
  { name, text }: PolicyTexts['files'][number],
): readonly (readonly [string, PolicyJson])[] {
  const parts = cedar.policySetTextToParts(text)
  if (parts.type === 'failure') throw problemsOf(name, parts.errors)
  if (parts.policy_templates.length > 0)
    throw refuseOption('policies', `cannot be used: ${name} has a template, which nothing here links.`)
  return inOrder(parts.policies).map((part, at) => {
    const parsed = cedar.policyToJson(part)
    if (parsed.type === 'failure') throw problemsOf(name, parsed.errors)
    return [parsed.json.annotations?.['id'] ?? `${name}#${at + 1}`, parsed.json]
  })
}

function readPolicies(cedar: Cedar, { files }: PolicyTexts): Record<string, PolicyJson> {
  const named = files.flatMap(file => policiesOf(cedar, file))
  if (named.length === 0) throw refuseOption('policies', 'holds no policy, so that nobody could do anything.')
  if (named.length > maxPolicies) throw refuseOption('policies', `holds more than ${maxPolicies} policies.`)
  const policies = Object.fromEntries(named)
  if (Object.keys(policies).length < named.length)
    throw refuseOption('policies', 'has two policies of the same @id.')
  return policies
}

function validate(cedar: Cedar, policies: Record<string, PolicyJson>, schema: object): void {
  const answer = cedar.validate({
    schema,
    policies: { staticPolicies: policies },
    validationSettings: { mode: 'strict' },
  })
  if (answer.type === 'failure') throw problemsOf('the policies', answer.errors)
  const [first] = answer.validationErrors
  if (first !== undefined) throw problemsOf(first.policyId, [first.error])
}

const counter = { next: 0 }

/** Two sets under names of their own: for requests, and for lists. */
function prepare(
  cedar: Cedar,
  policies: Record<string, PolicyJson>,
): { readonly full: string; readonly list: string } {
  counter.next += 1
  const names = { full: `${counter.next}`, list: `${counter.next}/list` }
  const forLists = Object.entries(policies).flatMap(([name, policy]) => {
    const one = relaxed(policy)
    return one === undefined ? [] : [[name, one] as const]
  })
  cedar.preparsePolicySet(names.full, { staticPolicies: policies })
  cedar.preparsePolicySet(names.list, { staticPolicies: Object.fromEntries(forLists) })
  return names
}

/** A verdict, and the names of the policies that led to it or why none could; never a value. */
export interface CedarVerdict {
  readonly isAllowed: boolean
  readonly reason: string
}

export function denied(reason: string): CedarVerdict {
  return { isAllowed: false, reason }
}

function ask(cedar: Cedar, call: object): CedarVerdict {
  const answer = cedar.statefulIsAuthorized(call)
  if (answer.type === 'failure') return denied('the policies cannot judge this request')
  const { decision, diagnostics } = answer.response
  // Cedar passes over a policy that fails, also one that forbids.
  const [failed] = diagnostics.errors
  if (failed !== undefined) return denied(`policy ${failed.policyId} failed`)
  const by = diagnostics.reason.slice(0, 5).join(', ')
  return { isAllowed: decision === 'allow', reason: by === '' ? 'no policy permits it' : `policy ${by}` }
}

const mostKept = 4096
const longestKey = 4096

/** Judging takes some tenths of a millisecond; the same question has the same answer. */
function remembering(judge: CedarEngine['ask']): CedarEngine['ask'] {
  const kept = new Map<string, CedarVerdict>()
  return (call, forList) => {
    const key = JSON.stringify([call, forList])
    const before = kept.get(key)
    if (before !== undefined) return before
    const verdict = judge(call, forList)
    if (key.length > longestKey) return verdict
    if (kept.size >= mostKept) kept.clear()
    kept.set(key, verdict)
    return verdict
  }
}

/** Policies that were read and found valid. */
export interface CedarEngine {
  readonly reads: ReturnType<typeof readsOf>
  /** Judges a request in Cedar's own form; `forList` leaves out what only arguments decide. */
  readonly ask: (call: object, forList: boolean) => CedarVerdict
}

/** Reads and validates policies. Throws `CONFIG_INVALID`, naming the policy, for what cannot be used. */
export function openEngine(texts: PolicyTexts): CedarEngine {
  const cedar = loadCedar()
  const policies = readPolicies(cedar, texts)
  validate(cedar, policies, cedarSchema(texts.tools))
  const sets = prepare(cedar, policies)
  return {
    reads: readsOf(Object.values(policies)),
    ask: remembering((call, forList) =>
      ask(cedar, { ...call, preparsedPolicySetId: forList ? sets.list : sets.full }),
    ),
  }
}
