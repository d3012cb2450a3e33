/** What a policy says of one surface. */
export interface SurfaceRule {
  /** Whether it is masked; `undefined` leaves it to settings and headers. */
  readonly isMasked?: boolean | undefined
  /** Verified principals whose header may turn masking off; `*` is everybody. */
  readonly relaxFor?: readonly string[]
}

/** The two surfaces that settings and headers may ask for. */
export interface SurfaceRules {
  readonly beforeLlm: SurfaceRule
  readonly inLogs: SurfaceRule
}

/** Everything that was said about masking one call. */
export interface MaskingAsk {
  readonly policy: SurfaceRules
  /** `MASK_PII_BEFORE_LLM` and `MASK_PII_IN_LOGS`, where they are set. */
  readonly settings: { readonly beforeLlm?: boolean | undefined; readonly inLogs?: boolean | undefined }
  /** The headers `X-Mask-PII-Before-LLM` and `X-Mask-PII-In-Logs` as they came. */
  readonly headers: { readonly beforeLlm?: string | undefined; readonly inLogs?: string | undefined }
  /** Who calls, as verified; `undefined` may relax nothing but what everybody may. */
  readonly principal?: string | undefined
}

/** Whether a surface is masked, and who decided. */
export interface MaskingDecision {
  readonly isMasked: boolean
  readonly by: 'default' | 'policy' | 'setting' | 'header'
  /** A header asked for less than this caller may have. */
  readonly isHeaderRefused: boolean
}

/** The decision for both surfaces. */
export interface Masking {
  readonly beforeLlm: MaskingDecision
  readonly inLogs: MaskingDecision
}

const ON = new Set(['true', '1', 'on', 'yes'])
const OFF = new Set(['false', '0', 'off', 'no'])

/** A header that says neither counts as a wish to mask: on doubt, more is masked. */
const wishOf = (header: string | undefined): boolean | undefined => {
  if (header === undefined) return undefined
  const value = header.trim().toLowerCase()
  return ON.has(value) || !OFF.has(value)
}

interface Said {
  readonly rule: SurfaceRule
  readonly setting: boolean | undefined
  readonly header: string | undefined
  readonly fallback: boolean
}

/** What policy and setting come to: the stricter of those that spoke. */
const serverSide = ({ rule, setting, fallback }: Said): Pick<MaskingDecision, 'isMasked' | 'by'> => {
  if (rule.isMasked === true) return { isMasked: true, by: 'policy' }
  if (setting !== undefined) return { isMasked: setting, by: 'setting' }
  return rule.isMasked === false ? { isMasked: false, by: 'policy' } : { isMasked: fallback, by: 'default' }
}

const mayRelax = ({ relaxFor = [] }: SurfaceRule, principal: string | undefined): boolean =>
  relaxFor.includes('*') || (principal !== undefined && principal !== '*' && relaxFor.includes(principal))

const decide = (said: Said, principal: string | undefined): MaskingDecision => {
  const base = serverSide(said)
  const wish = wishOf(said.header)
  if (wish === undefined || wish === base.isMasked) return { ...base, isHeaderRefused: false }
  if (wish || mayRelax(said.rule, principal)) return { isMasked: wish, by: 'header', isHeaderRefused: false }
  return { ...base, isHeaderRefused: true }
}

/**
 * Whether a call is masked before the model and in logs: the strictest of policy, settings and headers wins, and a header may ask for less only
 * where the policy says for whom. Where nobody says anything, logs are masked and the model sees what the tool gave.
 */
export const resolveMasking = ({ policy, settings, headers, principal }: MaskingAsk): Masking => ({
  beforeLlm: decide(
    { rule: policy.beforeLlm, setting: settings.beforeLlm, header: headers.beforeLlm, fallback: false },
    principal,
  ),
  inLogs: decide(
    { rule: policy.inLogs, setting: settings.inLogs, header: headers.inLogs, fallback: true },
    principal,
  ),
})
