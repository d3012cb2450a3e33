import { decisionKey, decisionSchema, type Decision } from '@muniment/schema'
import type { ControlVerifier } from './signer.ts'

/** What became of a decision that arrived. Only `applied` changed anything. */
export type Applied = 'applied' | 'known' | 'stale' | 'expired' | 'early' | 'too_long' | 'full' | 'over_cap'

/** The decisions in force, as one process sees them. Not yet verified ones must not come near it. */
export interface ControlView {
  readonly apply: (decision: Decision) => Applied
  /** The decision in force for a key; constant time. */
  readonly find: (key: string) => Decision | undefined
  /** The newest decision known for a key, in force or not. */
  readonly last: (key: string) => Decision | undefined
  /** Every decision in force, oldest first. */
  readonly list: () => readonly Decision[]
  /** Whether anything at all may be in force: `false` costs nothing to ask. */
  readonly isEmpty: () => boolean
}

export interface ViewOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Most decisions kept (default 50,000); beyond it new ones are refused, for dropping one would lift a block. */
  readonly maxDecisions?: number
  /** Most values on which one rule may act at a time (default 100), whatever the rule's author thought. */
  readonly maxPerRule?: number
}

/** Longest life of a decision: everything expires by itself. */
export const maxLifeMs = 31 * 86_400_000
/** How far ahead another clock may be. */
const maxAheadMs = 300_000

interface Entry {
  readonly decision: Decision
  readonly expiresMs: number
  /** Until when the key's version is remembered: an older decision of longer life must not come back. */
  readonly keptUntilMs: number
}

interface State extends Required<ViewOptions> {
  readonly entries: Map<string, Entry>
  /** Keys by the rule that acts on them. */
  readonly acting: Map<string, Set<string>>
}

function isActing({ action }: Decision): boolean {
  return action !== 'observe' && action !== 'rotate' && action !== 'end' && action !== 'share'
}

function forget(state: State, key: string): void {
  const entry = state.entries.get(key)
  if (entry === undefined) return
  state.entries.delete(key)
  const { rule } = entry.decision
  if (rule === undefined) return
  const keys = state.acting.get(rule)
  keys?.delete(key)
  if (keys?.size === 0) state.acting.delete(rule)
}

function sweep(state: State): void {
  const now = state.now()
  for (const [key, { keptUntilMs }] of state.entries) if (keptUntilMs <= now) forget(state, key)
}

/** Keys on which the rule acts now. */
function reach(state: State, rule: string): number {
  const now = state.now()
  let count = 0
  for (const key of state.acting.get(rule) ?? []) {
    const entry = state.entries.get(key)
    if (entry !== undefined && entry.expiresMs > now) count += 1
  }
  return count
}

function whyUntimely(state: State, decision: Decision): Applied | undefined {
  const now = state.now()
  const [issuedMs, expiresMs] = [Date.parse(decision.issued), Date.parse(decision.expires)]
  if (expiresMs <= now) return 'expired'
  if (issuedMs > now + maxAheadMs) return 'early'
  return expiresMs - issuedMs > maxLifeMs ? 'too_long' : undefined
}

function whyTooMuch(state: State, key: string, decision: Decision): Applied | undefined {
  const known = state.entries.get(key)
  if (known === undefined && state.entries.size >= state.maxDecisions) {
    sweep(state)
    if (state.entries.size >= state.maxDecisions) return 'full'
  }
  const { rule } = decision
  if (rule === undefined || !isActing(decision) || state.acting.get(rule)?.has(key) === true) return undefined
  return reach(state, rule) >= state.maxPerRule ? 'over_cap' : undefined
}

function put(state: State, key: string, decision: Decision): void {
  const { rule } = decision
  const before = state.entries.get(key)
  const expiresMs = Date.parse(decision.expires)
  forget(state, key)
  state.entries.set(key, { decision, expiresMs, keptUntilMs: Math.max(expiresMs, before?.keptUntilMs ?? 0) })
  if (rule === undefined || !isActing(decision)) return
  const keys = state.acting.get(rule) ?? new Set()
  state.acting.set(rule, keys.add(key))
}

function apply(state: State, decision: Decision): Applied {
  const key = decisionKey(decision)
  const known = state.entries.get(key)?.decision
  if (known !== undefined && decision.version <= known.version)
    return decision.signature === known.signature ? 'known' : 'stale'
  const why = whyUntimely(state, decision) ?? whyTooMuch(state, key, decision)
  if (why !== undefined) return why
  put(state, key, decision)
  return 'applied'
}

/** An empty view. */
export function createControlView(options: ViewOptions): ControlView {
  const state: State = {
    maxDecisions: 50_000,
    maxPerRule: 100,
    ...options,
    entries: new Map(),
    acting: new Map(),
  }
  const { entries, now } = state
  return {
    apply: decision => apply(state, decision),
    find: key => {
      const entry = entries.get(key)
      return entry !== undefined && entry.expiresMs > now() ? entry.decision : undefined
    },
    last: key => entries.get(key)?.decision,
    list: () => {
      sweep(state)
      return [...entries.values()].filter(({ expiresMs }) => expiresMs > now()).map(each => each.decision)
    },
    isEmpty: () => entries.size === 0,
  }
}

/** Whether the view holds this very decision, which was verified then: every field of it, not its signature alone. */
function holds(view: ControlView | undefined, decision: Decision): boolean {
  const known = view?.last(decisionKey(decision))
  return known !== undefined && JSON.stringify(known) === JSON.stringify(decision)
}

/** The decision in a record of `mcp.control`, if it is one and was signed by a holder of a control key. What a given view holds is not verified again. */
export function readDecision(
  verifier: ControlVerifier,
  value: Uint8Array,
  view?: ControlView,
): Decision | 'malformed' | 'forged' {
  try {
    const { buffer, byteOffset, byteLength } = value
    const raw: unknown = JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString())
    const parsed = decisionSchema.safeParse(raw)
    if (!parsed.success || typeof raw !== 'object') return 'malformed'
    if (holds(view, parsed.data)) return parsed.data
    // Fields of a later version are signed too.
    return verifier.verify({ ...raw, ...parsed.data }) ? parsed.data : 'forged'
  } catch {
    return 'malformed'
  }
}
