import { type Action, type ActionKind, type Ids, keyedIds, normalise, replacement } from './actions.ts'
import { compileKind, type Kinds } from './custom.ts'
import { openingsOf, quoteAt } from './placeholder.ts'
import { compilePolicy, type Origin, type Plan, type Policy, policyIssues, type Surface } from './policy.ts'
import { type Found, scan } from './scan.ts'
import { version } from './version.ts'

/** That something was found, where, how often and what was done: never what it was. */
export interface Finding {
  /** A built-in kind, or the name of a custom one. */
  readonly type: string
  /** Keys joined by dots, `[]` for array elements, `*` for keys that might be personal; empty for plain text. */
  readonly path: string
  readonly count: number
  readonly action: ActionKind
}

export interface MaskOptions {
  /** Read as JSON where it is JSON (`true` and `'auto'`, the default, are the same: what is no JSON is read as text), or as text only. */
  readonly json?: boolean | 'auto'
  /** Put before every path of the findings. */
  readonly path?: string
  readonly server?: string
  readonly tool?: string
  /** Where the text goes. */
  readonly surface?: Surface
  /** Whose keys the keyed functions use. */
  readonly tenant?: string
}

export interface Masked {
  readonly text: string
  readonly findings: readonly Finding[]
  /** Version of the rules that were applied. */
  readonly version: string
}

/** One find in its place, with what takes its place: for those who may see the text. */
export interface Explained {
  readonly type: string
  readonly path: string
  readonly start: number
  readonly end: number
  readonly score: number
  readonly action: ActionKind
  /** `undefined` where the value stays. */
  readonly instead: string | undefined
}

export interface Masker {
  /** Never throws, whatever the text; valid JSON stays valid, everything outside the finds stays byte for byte. */
  readonly mask: (text: string, options?: MaskOptions) => Masked
  /** Every find with its place, in order and without overlaps. */
  readonly explain: (text: string, options?: MaskOptions) => readonly Explained[]
  readonly version: string
}

const FINDINGS_MAX = 1000

interface Tally {
  readonly counts: { type: string; path: string; count: number; action: ActionKind }[]
}

/** Looks back a few entries first: equal places mostly follow each other. */
const LOOK_BACK = 64

const note = (tally: Tally, { type, path: place, action }: Explained): void => {
  const { counts } = tally
  const path = counts.length < FINDINGS_MAX ? place : '*'
  for (let i = counts.length - 1; i >= 0 && i >= counts.length - LOOK_BACK; i--) {
    const one = counts[i]
    if (one === undefined || one.type !== type || one.action !== action || one.path !== path) continue
    one.count++
    return
  }
  counts.push({ type, path, count: 1, action })
}

const isAllowed = (plan: Plan, found: Found, value: string): boolean =>
  found.score < plan.minScore || (plan.allow.size > 0 && plan.allow.has(normalise(found.type, value)))

/** The value as people write it: escapes of the JSON strings around it undone, so that equal values are equal at any depth. */
const plainValue = (raw: string, level: number): string => {
  let value = raw
  for (let i = 0; i < level && value.includes('\\'); i++) {
    try {
      value = String(JSON.parse(`"${value}"`))
    } catch {
      return value
    }
  }
  return value
}

const NOTHING: readonly Finding[] = []

/** A stretch of a text and what takes its place, if anything does. */
export type Piece = Pick<Explained, 'start' | 'end' | 'instead'>

/** Puts pieces in place, in order; what lies between are slices of the text itself. */
export const splice = (text: string, explained: readonly Piece[]): string => {
  let out = ''
  let from = 0
  for (const { start, end, instead } of explained) {
    if (instead === undefined) continue
    out += text.slice(from, start) + instead
    from = end
  }
  return out + text.slice(from)
}

const keepsNumber = (action: Action): boolean =>
  (action.kind === 'remove' || action.kind === 'token') && action.keepsShape === true

/** What takes the place of a bare number is a string, or zero where the number's form is to be kept. */
const asNumber = (action: Action, instead: string, level: number): string =>
  keepsNumber(action) ? '0' : `${quoteAt(level)}${instead}${quoteAt(level)}`

interface Place {
  readonly plan: Plan
  readonly origin: Origin
  readonly tenant: string
  readonly ids: Ids
}

const explainOne = (text: string, one: Found, place: Place): Explained | undefined => {
  const { type, kind, path, start, end, score, level, isNumber } = one
  const raw = text.slice(start, end)
  const value = plainValue(raw, level)
  if (isAllowed(place.plan, one, value)) return undefined
  const action = place.plan.actionFor(kind ?? type, path, place.origin)
  const found = { type, kind, value, raw, level, isNumber, tenant: place.tenant }
  const plain = replacement(action, found, place.ids)
  const instead = isNumber && plain !== undefined ? asNumber(action, plain, level) : plain
  return { type: kind ?? type, path, start, end, score, action: action.kind, instead }
}

/** What a policy's custom kinds add to the search. */
export const kindsOf = ({ kinds = [] }: Policy): Kinds => ({
  all: kinds.map(compileKind),
  openings: openingsOf(kinds.map(({ name }) => name)),
  isAlone: false,
})

const originOf = ({ server = '', tool = '', surface }: MaskOptions): Origin => ({
  server,
  tool,
  surface: surface ?? '',
})

const describe = ({ path, problem }: { path: readonly (string | number)[]; problem: string }): string =>
  path.length === 0 ? problem : `${path.join('.')} ${problem}`

/** Finds and decides; `ids` takes the place of the policy's keyed functions. */
export type Explainer = (text: string, options: MaskOptions, ids?: Ids) => readonly Explained[]

/** Compiles a policy once; throws a RangeError that names every issue when the policy cannot be used. */
export const createExplainer = (policy: Policy): Explainer => {
  const issues = policyIssues(policy)
  if (issues.length > 0) throw new RangeError(`masking policy refused: ${issues.map(describe).join(' ')}`)
  const plan = compilePolicy({ ...policy, allow: (policy.allow ?? []).flatMap(spellings) })
  const kinds = kindsOf(policy)
  const own = keyedIds(policy)
  return (text, options, ids = own) => {
    const { json, path = '', tenant = '' } = options
    const place = { plan, origin: originOf(options), tenant, ids }
    return scan(text, { json: json !== false, withPaths: true, path, kinds }).flatMap(
      one => explainOne(text, one, place) ?? [],
    )
  }
}

/** The text with everything replaced that was found, and what is told of it. */
export const maskedBy = (text: string, explained: readonly Explained[]): Masked => {
  if (explained.length === 0) return { text, findings: NOTHING, version }
  const tally: Tally = { counts: [] }
  for (const one of explained) note(tally, one)
  return { text: splice(text, explained), findings: tally.counts, version }
}

/** Compiles a policy once; throws a RangeError that names every issue when the policy cannot be used. */
export const createMasker = (policy: Policy = {}): Masker => {
  const explainer = createExplainer(policy)
  const explain = (text: string, options: MaskOptions = {}): readonly Explained[] => explainer(text, options)
  return { mask: (text, options) => maskedBy(text, explain(text, options)), explain, version }
}

/** An allowed value in every normal form, since the kind it will be found as is not known. */
const spellings = (value: string): readonly string[] => [
  normalise('EMAIL', value),
  normalise('PHONE', value),
  normalise('OTHER', value),
  normalise('SECRET', value),
]
