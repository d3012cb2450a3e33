import { type ActionKind, normalise, replacement } from './actions.ts'
import { compilePolicy, type Origin, type Plan, type Policy, policyIssues } from './policy.ts'
import { type Found, scan } from './scan.ts'
import type { PiiType } from './types.ts'
import { version } from './version.ts'

/** That something was found, where, how often and what was done: never what it was. */
export interface Finding {
  readonly type: PiiType
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
}

export interface Masked {
  readonly text: string
  readonly findings: readonly Finding[]
  /** Version of the rules that were applied. */
  readonly version: string
}

export interface Masker {
  /** Never throws, whatever the text; valid JSON stays valid, everything outside the finds stays byte for byte. */
  readonly mask: (text: string, options?: MaskOptions) => Masked
  readonly version: string
}

const FINDINGS_MAX = 1000

/** Quotes for a bare number that turns into a string, escaped once per string around it. */
const quoteAt = (level: number): string => `${'\\'.repeat(2 ** level - 1)}"`

interface Tally {
  readonly counts: { type: PiiType; path: string; count: number; action: ActionKind }[]
}

/** Looks back a few entries first: equal places mostly follow each other. */
const LOOK_BACK = 64

const note = (tally: Tally, found: Found, action: ActionKind): void => {
  const { counts } = tally
  const path = counts.length < FINDINGS_MAX ? found.path : '*'
  for (let i = counts.length - 1; i >= 0 && i >= counts.length - LOOK_BACK; i--) {
    const one = counts[i]
    if (one === undefined || one.type !== found.type || one.action !== action || one.path !== path) continue
    one.count++
    return
  }
  counts.push({ type: found.type, path, count: 1, action })
}

const isAllowed = (plan: Plan, found: Found, value: string): boolean =>
  found.score < plan.minScore || (plan.allow.size > 0 && plan.allow.has(normalise(found.type, value)))

/** The value as people write it: escapes of the JSON strings around it undone, so that equal values are equal at any depth. */
const plainValue = (raw: string, level: number): string => {
  let value = raw
  for (let i = 0; i <= level && value.includes('\\'); i++) {
    try {
      value = String(JSON.parse(`"${value}"`))
    } catch {
      return value
    }
  }
  return value
}

const NOTHING: readonly Finding[] = []

/** Replaces what was found; the pieces between are slices of the text itself. */
const splice = (
  text: string,
  found: readonly Found[],
  replace: (one: Found) => string | undefined,
): string => {
  let out = ''
  let from = 0
  for (const one of found) {
    const instead = replace(one)
    if (instead === undefined) continue
    const quote = one.isNumber ? quoteAt(one.level) : ''
    out += text.slice(from, one.start) + quote + instead + quote
    from = one.end
  }
  return out + text.slice(from)
}

/** Compiles a policy once; throws a RangeError that names every issue when the policy cannot be used. */
export const createMasker = (policy: Policy = {}): Masker => {
  const issues = policyIssues(policy)
  if (issues.length > 0) throw new RangeError(`masking policy refused: ${issues.join('; ')}`)
  const plan = compilePolicy({ ...policy, allow: (policy.allow ?? []).flatMap(spellings) })
  const mask = (text: string, options: MaskOptions = {}): Masked => {
    const found = scan(text, { json: options.json !== false, withPaths: true, path: options.path ?? '' })
    if (found.length === 0) return { text, findings: NOTHING, version }
    const origin: Origin = { server: options.server ?? '', tool: options.tool ?? '' }
    const tally: Tally = { counts: [] }
    const out = splice(text, found, one => {
      const value = plainValue(text.slice(one.start, one.end), one.level)
      if (isAllowed(plan, one, value)) return undefined
      const action = plan.actionFor(one.type, one.path, origin)
      note(tally, one, action.kind)
      return replacement(action, { type: one.type, value }, policy)
    })
    return { text: out, findings: tally.counts, version }
  }
  return { mask, version }
}

/** An allowed value in every normal form, since the kind it will be found as is not known. */
const spellings = (value: string): readonly string[] => [
  normalise('EMAIL', value),
  normalise('PHONE', value),
  normalise('OTHER', value),
  normalise('SECRET', value),
]
